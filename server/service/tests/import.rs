//! Imports, on both databases.

mod support;

use domain::availability::State;
use domain::time::{MINUTE_MS, SECOND_MS};
use domain::view::{Lang, ListQuery};
use domain::{Code, Fen};
use service::import::{ImportOptions, ImportReport, Kind, Progress};
use service::{Clock, Shop};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use store::{Lane, outbox};
use support::{guest, import, import_with, shop};

/// Imports a folder or file that may be refused.
async fn try_import(shop: &Shop, path: &Path) -> service::Result<ImportReport> {
    shop.import_dir(path, ImportOptions::default(), &|_| ()).await
}

/// Was an import refused since another is under way?
fn is_kept_out(answer: &service::Result<ImportReport>) -> bool {
    let what = |error: &domain::UserError| error.params.get("what").is_some_and(|what| what == "import");
    matches!(answer, Err(service::Error::User(error)) if error.code == Code::Busy && what(error))
}

/// The answer of a query for one number.
async fn number(shop: &Shop, sql: &'static str) -> i64 {
    shop.store().read().await.expect("reads").int(sql, &[]).await.expect("a number")
}

/// A folder with files given as (name, text).
fn folder_of(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

store::on_both! {
    async fn the_demo_shop_sells_and_a_second_import_changes_nothing(store: TestStore) {
        let (shop, clock) = shop(&store);
        let report = shop.import_demo(ImportOptions::default(), &|_| ()).await.expect("the demo");
        let bad: Vec<String> = report.bad().map(|row| row.sentence(Lang::En)).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        assert!(report.of(Kind::Skus).is_some_and(|f| f.new >= 200));
        assert_eq!(report.files.iter().find_map(|file| file.remark(Lang::En)), None, "every column is read");

        let visit = guest(&shop, Lang::Zh).await;
        let home = shop.home(&visit).await.expect("a home page");
        assert!(home.deals.len() >= 8, "{}", home.deals.len());
        assert!(home.popular.len() >= 8);
        assert!(!home.banners.is_empty() && !home.categories.is_empty());
        for text in ["牛奶", "milk", "nn", "6996540010019", "奶"] {
            let list = shop.list(&visit, ListQuery { text: text.to_owned(), ..ListQuery::default() }).await.expect("a list");
            assert!(list.total > 0, "{text}");
        }
        let page = shop.product(&visit, "FA001").await.expect("apples");
        assert_eq!(page.variants.len(), 2);
        assert!(page.path.len() >= 2);

        clock.advance(3_600_000);
        assert!(clock.now() > visit.now);
        let again = shop.import_demo(ImportOptions::default(), &|_| ()).await.expect("the demo");
        assert_eq!(again.written(), 0, "{again:#?}");
    }

    async fn lines_are_counted_as_an_editor_counts_them(store: TestStore) {
        let (shop, _) = shop(&store);
        import(&shop, &[("stores.csv", STORES), ("categories.csv", CATEGORIES), ("skus.csv", SKUS)]).await;
        for end in ["\n", "\r\n", "\r"] {
            let lines = ["store,pool,on_hand,as_of,kind", "main,NIX,1,-1h,", "", "\"ma", "in\",M1,1,-1h,", "main,M1,x,-1h,"];
            let report = import(&shop, &[("stock.csv", &lines.join(end))]).await;
            let bad: Vec<(u64, &str)> = report.bad().map(|row| (row.line, row.column.as_str())).collect();
            assert_eq!(bad, [(2, "pool"), (4, "store"), (6, "on_hand")], "{end:?}");
        }
    }

    async fn bad_rows_are_named_and_good_ones_kept(store: TestStore) {
        let (shop, _) = shop(&store);
        let report = import(&shop, &[
            ("stores.csv", STORES),
            ("categories.csv", CATEGORIES),
            ("skus.csv", SKUS),
            ("stock.csv", "store,pool,on_hand,as_of,kind\nmain,M1,9,-1h,snapshot\nmain,NIX,9,-1h,snapshot\nmain,M2,-4,-1h,\n"),
        ]).await;
        let bad: Vec<(String, u64, String, String)> =
            report.bad().map(|b| (b.file.clone(), b.line, b.column.clone(), b.code.clone())).collect();
        let expected = [
            ("categories.csv", 4, "parent", "unknown"),
            ("skus.csv", 4, "price", "not_money"),
            ("skus.csv", 5, "category", "unknown"),
            ("skus.csv", 6, "code", "duplicate"),
            ("skus.csv", 7, "", "cells"),
            ("skus.csv", 8, "member_price", "above"),
            ("stock.csv", 3, "pool", "unknown"),
            ("stock.csv", 4, "on_hand", "not_number"),
        ];
        let expected = expected.map(|(f, l, c, r)| (f.to_owned(), l, c.to_owned(), r.to_owned()));
        assert_eq!(bad, expected);
        assert_eq!(report.of(Kind::Skus).map(|f| f.new), Some(2));
        let zh = report.bad().nth(1).map(|b| b.sentence(Lang::Zh)).unwrap_or_default();
        assert!(zh.starts_with("skus.csv:4 price: 不是有效金额"), "{zh}");

        let visit = guest(&shop, Lang::En).await;
        let list = shop.list(&visit, ListQuery::default()).await.expect("a list");
        assert_eq!(list.cards.iter().map(|c| c.code.as_str()).collect::<Vec<_>>(), ["M1"], "M2 has no stock here");
        assert_eq!(list.cards[0].live.state, State::InStock);
        assert_eq!(list.cards[0].price.price, Fen(1280));
    }

    async fn a_row_with_a_nul_is_named_and_the_others_are_kept(store: TestStore) {
        let (shop, _) = shop(&store);
        let skus = "code,name_zh,category,pack_size,price\nN1,鲜\0奶,milk,1,11.80\nN2,酸奶,milk,1,5.50\n";
        let report = import(&shop, &[("stores.csv", STORES), ("categories.csv", CATEGORIES), ("skus.csv", skus)]).await;
        let of_skus = report.bad().filter(|bad| bad.file == "skus.csv");
        assert_eq!(of_skus.map(|bad| (bad.line, bad.code.as_str())).collect::<Vec<_>>(), [(2, "unreadable")]);
        assert_eq!(report.of(Kind::Skus).map(|file| file.new), Some(1));
    }

    async fn a_bad_byte_refuses_its_row_and_no_other(store: TestStore) {
        let (shop, _) = shop(&store);
        import(&shop, &[("stores.csv", STORES), ("categories.csv", CATEGORIES)]).await;
        let text = "code,name_zh,category,pack_size,price\nB1,酸奶,milk,1,5.50\nB2,豆腐,milk,1,3.00\nB3,番茄,milk,1,4.00\n";
        let (gbk, _, _) = encoding_rs::GBK.encode(text);
        // The last byte of B2's name is another. As GBK all pairs of bytes of the first file are characters.
        for (bytes, bad) in [(text.as_bytes(), 0xe5), (&gbk[..], 0xff)] {
            let mut bytes = bytes.to_vec();
            let row = bytes.windows(3).position(|part| part == b"B2,").expect("a row") + 3;
            let end = row + bytes[row..].iter().position(|byte| *byte == b',').expect("a cell");
            bytes[end - 1] = bad;
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::write(folder.path().join("skus.csv"), &bytes).expect("a file");
            let report = try_import(&shop, folder.path()).await.expect("an import");
            let bad: Vec<(u64, &str)> = report.bad().map(|row| (row.line, row.code.as_str())).collect();
            assert_eq!(bad, [(3, "unreadable")]);
            let sql = "SELECT COUNT(*) FROM sku WHERE name_zh IN ('酸奶', '番茄')";
            assert_eq!((number(&shop, sql).await, number(&shop, "SELECT COUNT(*) FROM sku").await), (2, 2));
        }
    }

    async fn what_is_said_of_the_future_is_refused(store: TestStore) {
        let (shop, _) = shop(&store);
        import(&shop, &[("stores.csv", STORES), ("categories.csv", CATEGORIES), ("skus.csv", SKUS)]).await;
        // It is 10:00; a clock may be five minutes ahead.
        let stock = "store,pool,on_hand,as_of\nmain,M1,9,2026-11-22 10:05\nmain,M2,9,2026-11-22 10:06\nmain,M2,9,+2h\n";
        let sales = "store,sku,sold_at,quantity\nmain,M1,-1d,2\nmain,M1,2027-11-22,2\n";
        let report = import(&shop, &[("stock.csv", stock), ("sales.csv", sales)]).await;
        let bad: Vec<(&str, u64, &str, &str)> =
            report.bad().map(|b| (b.file.as_str(), b.line, b.column.as_str(), b.code.as_str())).collect();
        let expected = [
            ("stock.csv", 3, "as_of", "ahead"), ("stock.csv", 4, "as_of", "ahead"), ("sales.csv", 3, "sold_at", "ahead"),
        ];
        assert_eq!(bad, expected);
        assert_eq!(report.files.iter().map(|file| file.new).collect::<Vec<_>>(), [1, 1]);
    }

    async fn a_corrected_heading_changes_what_stands_below(store: TestStore) {
        let (shop, _) = shop(&store);
        let skus = "code,name_zh,category,pack_size,price,allergen\nM1,纯牛奶,milk,1,12.80,milk\n";
        let report = import(&shop, &[("stores.csv", STORES), ("categories.csv", CATEGORIES), ("skus.csv", skus)]).await;
        let file = report.of(Kind::Skus).expect("SKUs");
        assert_eq!((file.new, file.ignored.join(" ").as_str()), (1, "allergen"));
        let said = file.remark(Lang::En).unwrap_or_default();
        assert_eq!(said, "skus.csv: not read, since no such columns are known: allergen");
        let with_milk = "SELECT COUNT(*) FROM sku WHERE allergens LIKE '%milk%'";
        assert_eq!(number(&shop, with_milk).await, 0);
        let right = skus.replace("allergen", "allergens");
        let report = import(&shop, &[("skus.csv", &right)]).await;
        assert_eq!(report.of(Kind::Skus).map(|f| (f.changed, f.ignored.len())), Some((1, 0)));
        assert_eq!(number(&shop, with_milk).await, 1);
        // The same columns in another order say the same.
        let turned = "allergens,price,code,name_zh,category,pack_size\nmilk,12.80,M1,纯牛奶,milk,1\n";
        assert_eq!(import(&shop, &[("skus.csv", turned)]).await.written(), 0);
    }

    async fn a_corrected_level_can_be_taken_back(store: TestStore) {
        let (shop, clock) = shop(&store);
        import(&shop, &[("stores.csv", STORES), ("categories.csv", CATEGORIES), ("skus.csv", SKUS)]).await;
        let mut before = 0;
        for level in [10, 8, 10, 10, 8, 10] {
            let text = format!("store,pool,on_hand,as_of\nmain,M1,{level},2026-11-22 09:00\n");
            let files = [("stock.csv", text.as_str())];
            let rehearsed = import_with(&shop, &files, ImportOptions { dry_run: true, ..ImportOptions::default() }).await;
            let done = import(&shop, &files).await;
            let written = u64::from(level != before);
            assert_eq!((rehearsed.written(), done.written()), (written, written), "{level} after {before}");
            assert_eq!(number(&shop, "SELECT on_hand FROM stock").await, level);
            assert_eq!(import(&shop, &files).await.written(), 0, "the same file twice changes nothing");
            before = level;
            clock.advance(SECOND_MS);
        }
        assert_eq!(number(&shop, "SELECT COUNT(*) FROM movement").await, 5);
        assert!(shop.check().await.expect("a check").is_empty());
    }

    async fn one_import_at_a_time_writes(store: TestStore) {
        let (shop, clock) = shop(&store);
        let folder = folder_of(&[("stores.csv", STORES), ("categories.csv", CATEGORIES), ("skus.csv", SKUS)]);
        // Another one is kept out at every step of the first, however long that takes.
        let kept_out = AtomicU32::new(0);
        let another = |_: Progress| {
            let answer = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(try_import(&shop, folder.path()))
            });
            assert!(is_kept_out(&answer), "{answer:?}");
            kept_out.fetch_add(1, Ordering::Relaxed);
            clock.advance(90 * SECOND_MS);
        };
        let report = shop.import_dir(folder.path(), ImportOptions::default(), &another).await.expect("an import");
        assert!(report.files.iter().all(|file| file.new > 0), "{report:#?}");
        assert_eq!(kept_out.load(Ordering::Relaxed), 6, "before and after each file");
        // The claim is given back at once.
        assert_eq!(try_import(&shop, folder.path()).await.expect("an import").written(), 0);
        // That of an import that was broken off runs out; a dry run needs none.
        let broken_off = store.write(Lane::Background, clock.now(), |conn, now| {
            Box::pin(async move { outbox::claim_job(conn, "import", "broken off", *now, 0, 2 * MINUTE_MS).await })
        });
        let claimed: store::Result<bool> = broken_off.await;
        assert!(claimed.expect("a claim"));
        clock.advance(2 * MINUTE_MS - 1);
        let refused = try_import(&shop, folder.path()).await;
        assert!(is_kept_out(&refused), "{refused:?}");
        let dry_run = ImportOptions { dry_run: true, ..ImportOptions::default() };
        assert_eq!(shop.import_dir(folder.path(), dry_run, &|_| ()).await.expect("a dry run").written(), 0);
        clock.advance(1);
        try_import(&shop, folder.path()).await.expect("an import");
    }

    async fn two_servers_that_import_at_once_agree_on_every_id(store: TestStore) {
        let other = store::Store::open(&store.config).await.expect("the same database");
        let ((one, _), (two, _)) = (shop(&store), shop(&other));
        let folder = folder_of(&[("stores.csv", STORES), ("categories.csv", CATEGORIES), ("skus.csv", SKUS)]);
        let (first, second) = tokio::join!(try_import(&one, folder.path()), try_import(&two, folder.path()));
        assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
        for answer in [&first, &second] {
            assert!(answer.is_ok() || is_kept_out(answer), "{answer:?}");
        }
        let lost = "SELECT COUNT(*) FROM sku WHERE pool_id NOT IN (SELECT id FROM pool) \
                    OR category_id NOT IN (SELECT id FROM category)";
        assert_eq!((number(&one, lost).await, number(&one, "SELECT COUNT(*) FROM sku").await), (0, 2));
        other.close().await;
    }

    async fn a_dry_run_writes_nothing_and_sees_later_files(store: TestStore) {
        let (shop, _) = shop(&store);
        let files = [
            ("stores.csv", STORES),
            ("categories.csv", CATEGORIES),
            ("skus.csv", SKUS),
            ("stock.csv", "store,pool,on_hand,as_of,kind\nmain,M1,9,-1h,snapshot\n"),
            ("offers.csv", "code,kind,name_zh,name_en,store,starts,ends,scope,price\nT,timed,特价,Deal,,-1d,+1d,sku:M1,9.90\n"),
        ];
        let report = import_with(&shop, &files, ImportOptions { dry_run: true, ..ImportOptions::default() }).await;
        assert_eq!(report.of(Kind::Stock).map(|f| (f.new, f.bad.len())), Some((1, 0)));
        assert_eq!(report.of(Kind::Offers).map(|f| (f.new, f.bad.len())), Some((1, 0)));
        assert!(shop.default_store().await.is_err(), "nothing was written");
    }

    async fn a_file_that_is_too_large_is_not_read(store: TestStore) {
        let (shop, _) = shop(&store);
        let folder = tempfile::tempdir().expect("a folder");
        let file = std::fs::File::create(folder.path().join("skus.csv")).expect("a file");
        // Of zeros that lie nowhere.
        file.set_len(512 * 1024 * 1024 + 1).expect("a length");
        let refused = shop.import_dir(folder.path(), ImportOptions::default(), &|_| ()).await.expect_err("too large");
        let service::Error::User(error) = refused else { panic!("{refused:?}") };
        assert_eq!(error.code, domain::Code::TooLarge);
        assert!(error.params["file"].ends_with("skus.csv"), "{error:?}");
    }

    async fn gbk_files_and_changed_rows_are_read(store: TestStore) {
        let (shop, _) = shop(&store);
        import(&shop, &[("stores.csv", STORES), ("categories.csv", CATEGORIES), ("skus.csv", SKUS)]).await;
        let folder = tempfile::tempdir().expect("a folder");
        let text = "code,name_zh,category,pack_size,price\nM1,鲜牛奶,milk,1,11.80\nM9,酸奶,milk,1,5.50\n";
        let (gbk, _, _) = encoding_rs::GBK.encode(text);
        std::fs::write(folder.path().join("till skus.csv"), &gbk).expect("a file");
        let path = folder.path().join("till skus.csv");
        let report = shop.import_dir(&path, ImportOptions::default(), &|_| ()).await.expect("by its header");
        assert_eq!((report.files[0].new, report.files[0].changed), (1, 1), "{report:#?}");
        import(&shop, &[("stock.csv", "store,pool,on_hand,as_of\nmain,M1,50,-1h\nmain,M9,50,-1h\n")]).await;
        let visit = guest(&shop, Lang::Zh).await;
        let list = shop.list(&visit, ListQuery { text: "酸奶".to_owned(), ..ListQuery::default() }).await.expect("a list");
        assert_eq!(list.cards[0].code, "M9");
        let page = shop.product(&visit, "M1").await.expect("milk");
        assert_eq!((page.card.name.as_str(), page.card.price.price), ("鲜牛奶", Fen(1180)));
    }
}

/// Of 2,000 SKUs 1,800 are changed, of which 200 fewer than a unit takes stand in the first
/// thousand rows; the last of them cannot be written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_ends_between_two_units_leaves_no_goods_out_of_the_search() {
    let store = store::testing::sqlite().await;
    let (shop, _) = shop(&store);
    let skus = |price: &str| {
        (0..2_000).fold(String::from("code,name_zh,category,pack_size,price\n"), |text, n| {
            let price = if n < 200 { "5.50" } else { price };
            text + &format!("G{n},酸奶{n},milk,1,{price}\n")
        })
    };
    import(&shop, &[("stores.csv", STORES), ("categories.csv", CATEGORIES), ("skus.csv", &skus("5.50"))]).await;
    let meddle = async |sql: &'static str| {
        let work = store.write(Lane::Background, sql, |conn, sql| {
            Box::pin(async move { conn.exec(*sql, store::vals![]).await.map(|_| ()) })
        });
        let done: store::Result<()> = work.await;
        done.expect("meddled");
    };
    meddle("CREATE TRIGGER stop BEFORE UPDATE ON sku WHEN NEW.code = 'G1999' BEGIN SELECT RAISE(ABORT, 'stop'); END")
        .await;
    let folder = folder_of(&[("skus.csv", &skus("6.00"))]);
    let ended = try_import(&shop, folder.path()).await;
    assert!(ended.as_ref().is_err_and(|_| !is_kept_out(&ended)), "{ended:?}");
    assert_eq!(number(&shop, "SELECT COUNT(*) FROM sku WHERE price = 600").await, 1_000, "one of two units");
    assert_eq!(number(&shop, "SELECT COUNT(*) FROM sku_search").await, 2_000);
    // An import that failed keeps out no other.
    meddle("DROP TRIGGER stop").await;
    assert_eq!(try_import(&shop, folder.path()).await.expect("an import").written(), 800);
    assert_eq!(number(&shop, "SELECT COUNT(*) FROM sku_search").await, 2_000);
}

const STORES: &str = "code,name_zh,name_en,lat,lon,address_zh,address_en,phone,zone,opens,closes,delivery_radius_m,delivery_fee,free_delivery_above,safety
main,总店,Main store,30.2,120.1,路 1 号,1 Road,0571,Asia/Shanghai,08:00,22:00,5000,6.00,69.00,absolute 2
";
const CATEGORIES: &str = "code,parent,name_zh,name_en,sort,picture,safety,count_holds
milk,dairy,牛奶,Milk,1,milk,,day
dairy,,乳品,Dairy,1,milk,percent 10,day
lost,nowhere,丢失,Lost,1,milk,,day
";
const SKUS: &str = "code,product,name_zh,name_en,category,pack_size,pool,price,member_price,measure_amount,measure_unit
M1,M1,纯牛奶,Pure milk,milk,1,M1,12.80,11.50,950,ml
M2,M1,纯牛奶整箱,Pure milk case,milk,12,M2,138.00,,11400,ml
M3,M3,坏价格,Bad price,milk,1,,1.234,,,
M4,M4,坏分类,Bad category,nix,1,,1.00,,,
M1,M1,重复,Duplicate,milk,1,,1.00,,,
M5,short
M6,M6,会员价,Member price,milk,1,,1.00,2.00,,
";
