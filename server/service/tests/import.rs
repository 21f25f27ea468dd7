//! Imports, on both databases.

mod support;

use domain::Fen;
use domain::availability::State;
use domain::view::{Lang, ListQuery};
use service::Clock;
use service::import::{ImportOptions, Kind};
use support::{guest, import, import_with, shop};

store::on_both! {
    async fn the_demo_shop_sells_and_a_second_import_changes_nothing(store: TestStore) {
        let (shop, clock) = shop(&store);
        let report = shop.import_demo(ImportOptions::default(), &|_| ()).await.expect("the demo");
        let bad: Vec<String> = report.bad().map(|row| row.sentence(Lang::En)).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        assert!(report.of(Kind::Skus).is_some_and(|f| f.new >= 200));

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
