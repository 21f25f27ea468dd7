//! What shoppers browse, on both databases: search, lists, prices, states,
//! safety policies, the answer to "why".

mod support;

use domain::availability::State;
use domain::ids::MemberId;
use domain::safety::Source;
use domain::stock::Kind;
use domain::time::HOUR_MS;
use domain::view::{Lang, ListQuery, Sort};
use domain::{Base, Fen, Packs};
use service::Shop;
use service::Visit;
use service::feed::{Batch, BatchKind, Row};
use std::fmt::Write;
use store::Lane;
use support::{guest, import, shop, visit};

const STORES: &str = "code,name_zh,name_en,lat,lon,zone,opens,closes,delivery_radius_m,delivery_fee,safety
main,总店,Main,30.2769,120.1284,Asia/Shanghai,08:00,22:00,5000,6.00,absolute 1
far,分店,Branch,30.2071,120.2106,Asia/Shanghai,22:00,24:00,5000,6.00,
";
const CATEGORIES: &str = "code,parent,name_zh,name_en,sort,safety,count_holds
dairy,,乳品,Dairy,1,percent 10,day
milk,dairy,牛奶,Milk,1,,day
drinks,,饮料,Drinks,2,,day
fresh,,蔬菜,Greens,3,absolute 0,day
";
const SKUS: &str = "code,product,name_zh,name_en,brand_zh,brand_en,barcode,category,pack_size,pool,price,member_price,measure_amount,measure_unit,allergens,diet,safety
M1,M1,纯牛奶,Pure milk,蒙牛,Mengniu,6901234567892,milk,1,M1,12.80,11.50,950,ml,milk,vegetarian,
M2,M1,纯牛奶整箱,Pure milk case,蒙牛,Mengniu,,milk,12,M1,138.00,,11400,ml,milk,vegetarian,
M3,M3,鲜牛奶,Fresh milk,光明,Bright,,milk,1,,15.80,,950,ml,milk,vegetarian,absolute 5
T1,T1,牛奶味奶糖茶,Milk tea,康师傅,Kangshifu,,drinks,1,,4.50,,500,ml,milk,,
W1,W1,矿泉水,Mineral water,农夫,Nongfu,,drinks,1,,2.00,,550,ml,,vegan,
G1,G1,菠菜,Spinach,,,,fresh,300,,3.98,,300,g,,vegan,
";
const STOCK: &str = "store,pool,on_hand,as_of,kind
main,M1,40,-5m,snapshot
main,M3,9,-5m,snapshot
main,T1,50,-5m,snapshot
main,W1,3,-5m,snapshot
main,G1,3000,-5m,count
";
const OFFERS: &str = "code,kind,name_zh,name_en,store,starts,ends,scope,price,percent_off,threshold,off
TEA,timed,奶茶特价,Tea deal,,-1d,+1d,sku:T1,3.90,,,
MILK,timed,牛奶九折,Milk 10% off,,-1d,+1d,category:dairy,,10,,
SAVE,spend_save,满88减10,10 off 88,,-1d,+1d,all,,,88.00,10.00
";
const SALES: &str = "store,sku,sold_at,quantity,promo
main,M1,-1d,30,0
main,M2,-2d,2,0
main,T1,-1d,5,0
";

async fn small_shop(shop: &Shop) -> Visit {
    let report = import(
        shop,
        &[
            ("stores.csv", STORES),
            ("categories.csv", CATEGORIES),
            ("skus.csv", SKUS),
            ("stock.csv", STOCK),
            ("offers.csv", OFFERS),
            ("sales.csv", SALES),
        ],
    )
    .await;
    assert_eq!(report.bad().count(), 0, "{report:#?}");
    guest(shop, Lang::Zh).await
}

/// A batch of now that tells five of each SKU.
async fn five(shop: &Shop, kind: BatchKind, skus: &[&str]) {
    let at = shop.now().0;
    let row = |sku: &&str| Row { sku: Some((*sku).to_owned()), quantity: 5, at, ..Row::default() };
    let rows: Vec<Row> = skus.iter().map(row).collect();
    let batch = Batch { key: store::new_id(), store: "main".to_owned(), kind, rows };
    assert_eq!(shop.apply_batch("till", &batch).await.expect("an answer").applied, skus.len());
}

fn search(text: &str) -> ListQuery {
    ListQuery { text: text.to_owned(), ..ListQuery::default() }
}

async fn codes(shop: &Shop, visit: &Visit, query: ListQuery) -> Vec<String> {
    let list = shop.list(visit, query).await.expect("a list");
    list.cards.into_iter().map(|card| card.code).collect()
}

store::on_both! {
    async fn words_initials_english_and_barcodes_find(store: TestStore) {
        let (shop, _) = shop(&store);
        let visit = small_shop(&shop).await;
        let everything = ["M1", "M2", "T1", "M3"];
        for text in ["牛奶", "nn", "niunai"] {
            let found = codes(&shop, &visit, search(text)).await;
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), everything, "{text}: what sells most first");
        }
        assert_eq!(codes(&shop, &visit, search("cnn")).await, ["M1", "M2"]);
        assert_eq!(codes(&shop, &visit, search("milk 光明")).await, ["M3"]);
        assert_eq!(codes(&shop, &visit, search("6901234567892")).await, ["M1"]);
        assert_eq!(codes(&shop, &visit, search("m3")).await, ["M3"]);
        assert_eq!(codes(&shop, &visit, search("菠")).await, ["G1"]);
        assert_eq!(codes(&shop, &visit, search("鲜奶")).await, ["M3"], "by characters, when no word is found");
        assert_eq!(codes(&shop, &visit, search("牛乃")).await, everything, "by their sound, when characters are wrong");
        assert_eq!(codes(&shop, &visit, search("香槟")).await, Vec::<String>::new());
        assert_eq!(codes(&shop, &visit, search("'\"*:|&!")).await, Vec::<String>::new());
        // Marks between letters: the vowels of some scripts.
        let rice = SKUS.replace("Pure milk,蒙牛", "ข้าวหอมมะลิ อร่อย,蒙牛");
        assert_eq!(import(&shop, &[("skus.csv", &rice)]).await.bad().count(), 0);
        for (typed, found) in [("ข้าวหอมมะลิ", 1), ("อร่อย", 1), ("ข้าวห", 1), ("8\u{5b8}0", 0), ("Ⓐ\u{301}", 0)] {
            assert_eq!(codes(&shop, &visit, search(typed)).await.len(), found, "{typed}");
            shop.suggest(&visit, typed).await.expect("suggestions");
        }
        // T1 has 牛奶 in its name; drinks are found by their category after names.
        assert_eq!(codes(&shop, &visit, search("饮料")).await, ["T1", "W1"]);
        let suggestions = shop.suggest(&visit, "niun").await.expect("suggestions");
        assert!(suggestions.iter().any(|s| s.text == "纯牛奶" && s.link == "/p/M1"), "{suggestions:?}");
        let suggestions = shop.suggest(&visit, "牛").await.expect("suggestions");
        assert_eq!(suggestions[0].link, "/c/milk");
    }

    async fn a_category_is_found_by_its_name_of_today(store: TestStore) {
        let (shop, _) = shop(&store);
        let visit = small_shop(&shop).await;
        assert_eq!(codes(&shop, &visit, search("dairy 光明")).await, ["M3"], "in a category above, and by a brand");
        assert_eq!(codes(&shop, &visit, search("蔬菜")).await, ["G1"]);
        let renamed = CATEGORIES.replace("蔬菜,Greens", "时令绿叶,Leaves");
        let report = import(&shop, &[("categories.csv", &renamed)]).await;
        assert_eq!(report.bad().count(), 0, "{report:#?}");
        for text in ["时令", "leav", "绿叶 菠菜"] {
            assert_eq!(codes(&shop, &visit, search(text)).await, ["G1"], "{text}: no SKU was imported anew");
        }
        assert_eq!(codes(&shop, &visit, search("greens")).await, Vec::<String>::new());
        let suggested = shop.suggest(&visit, "leav").await.expect("suggestions");
        let links: Vec<&str> = suggested.iter().map(|s| s.link.as_str()).collect();
        assert_eq!(links, ["/c/fresh", "/p/G1"], "the category itself, and what is in it");
    }

    async fn a_whole_name_comes_before_what_holds_its_words_and_sells_better(store: TestStore) {
        let (shop, _) = shop(&store);
        let visit = small_shop(&shop).await;
        let mut skus = SKUS.to_owned();
        for n in 0..30 {
            writeln!(skus, "B{n},B{n},味美有机老牛奶罐头,Milk,百家,Baijia,,milk,1,,1.00,,,,,,").expect("a String takes all");
        }
        skus.push_str("Z9,Z9,老味有机牛奶,Old organic milk,百家,Baijia,,milk,1,,1.00,,,,,,\n");
        let (mut stock, mut sales) = (STOCK.to_owned(), SALES.to_owned());
        for n in 0..30 {
            writeln!(stock, "main,B{n},9,-5m,snapshot").expect("a String takes all");
            writeln!(sales, "main,B{n},-1d,9,0").expect("a String takes all");
        }
        stock.push_str("main,Z9,9,-5m,snapshot\n");
        let report = import(&shop, &[("skus.csv", &skus), ("stock.csv", &stock), ("sales.csv", &sales)]).await;
        assert_eq!(report.bad().count(), 0, "{report:#?}");
        let typed = "老味有机牛奶";
        assert_eq!(codes(&shop, &visit, search(typed)).await[0], "Z9");
        assert_eq!(codes(&shop, &visit, search(&format!("百家 {typed}"))).await[0], "Z9", "with its brand");
        assert_eq!(codes(&shop, &visit, search("old organic milk")).await, ["Z9"]);
        assert_eq!(codes(&shop, &visit, search("老味有机")).await.len(), 31, "the others hold its words, too");
        let suggested = shop.suggest(&visit, typed).await.expect("suggestions");
        assert_eq!(suggested[0].link, "/p/Z9", "{suggested:?}");
    }

    async fn a_name_is_found_among_hundreds_that_begin_with_it(store: TestStore) {
        let (shop, _) = shop(&store);
        let visit = small_shop(&shop).await;
        let (mut skus, mut stock) = (SKUS.to_owned(), STOCK.to_owned());
        let names = (0..320).map(|n| format!("北草草莓味面包 {n}")).chain(["北草草莓 100g".to_owned()]);
        for (n, name) in names.enumerate() {
            writeln!(skus, "B{n},B{n},{name},Goods,,,,fresh,1,,1.00,,,,,,").expect("a String takes all");
            writeln!(stock, "main,B{n},9,-5m,snapshot").expect("a String takes all");
        }
        let report = import(&shop, &[("skus.csv", &skus), ("stock.csv", &stock)]).await;
        assert_eq!(report.bad().count(), 0, "{report:#?}");
        assert_eq!(codes(&shop, &visit, search("北草草莓")).await[0], "B320");
        let suggested = shop.suggest(&visit, "北草草莓").await.expect("suggestions");
        assert_eq!(suggested[0].link, "/p/B320", "{suggested:?}");
    }

    async fn what_is_counted_is_all_or_is_said_to_be_less(store: TestStore) {
        let (shop, _) = shop(&store);
        let visit = small_shop(&shop).await;
        let (mut skus, mut stock) = (SKUS.to_owned(), STOCK.to_owned());
        for n in 0..320 {
            writeln!(skus, "B{n},B{n},花生 {n},Peanut,,,,fresh,1,,1.00,,,,,,").expect("a String takes all");
            writeln!(stock, "main,B{n},9,-5m,snapshot").expect("a String takes all");
        }
        let report = import(&shop, &[("skus.csv", &skus), ("stock.csv", &stock)]).await;
        assert_eq!(report.bad().count(), 0, "{report:#?}");
        let few = shop.list(&visit, search("牛奶")).await.expect("a list");
        assert_eq!((few.total, few.more), (4, false));
        let many = shop.list(&visit, search("花生")).await.expect("a list");
        assert!(many.more && many.total >= 300, "{} and more: {}", many.total, many.more);
        let cheapest = ListQuery { sort: Sort::PriceUp, ..search("花生") };
        let all = shop.list(&visit, cheapest).await.expect("a list");
        assert_eq!((all.total, all.more), (320, false), "by price more are looked at");
    }

    async fn lists_filter_and_sort(store: TestStore) {
        let (shop, _) = shop(&store);
        let visit = small_shop(&shop).await;
        let of = |code: &str| ListQuery { category: Some(code.to_owned()), ..ListQuery::default() };
        assert_eq!(codes(&shop, &visit, of("dairy")).await, ["M1", "M2", "M3"], "the whole subtree");
        assert!(shop.list(&visit, of("nix")).await.is_err());
        let by = |sort| ListQuery { sort, ..ListQuery::default() };
        assert_eq!(codes(&shop, &visit, by(Sort::PriceUp)).await, ["W1", "T1", "G1", "M1", "M3", "M2"]);
        assert_eq!(codes(&shop, &visit, by(Sort::PriceDown)).await, ["M2", "M3", "M1", "G1", "T1", "W1"]);
        assert_eq!(codes(&shop, &visit, by(Sort::UnitPrice)).await[0], "W1");
        let vegan = ListQuery { diet: Some("vegan".to_owned()), sort: Sort::PriceUp, ..ListQuery::default() };
        assert_eq!(codes(&shop, &visit, vegan).await, ["W1", "G1"]);
        let no_milk = ListQuery { without: Some("milk".to_owned()), sort: Sort::PriceUp, ..ListQuery::default() };
        assert_eq!(codes(&shop, &visit, no_milk).await, ["W1", "G1"]);
        let brand = ListQuery { brand: Some("蒙牛".to_owned()), ..ListQuery::default() };
        assert_eq!(codes(&shop, &visit, brand).await, ["M1", "M2"]);
        let deals = ListQuery { deals: true, in_stock: true, ..ListQuery::default() };
        assert_eq!(codes(&shop, &visit, deals).await, ["M1", "M2", "T1", "M3"]);
        let list = shop.list(&visit, ListQuery { page: 9, ..of("dairy") }).await.expect("a list");
        assert_eq!((list.total, list.query.page, list.brands), (3, 1, vec!["蒙牛".to_owned(), "光明".to_owned()]));
        assert_eq!(list.children.len(), 1);
        let far = shop.store_by_code("far").await.expect("stores").expect("a branch");
        let there = Visit { store: far, ..visit };
        assert_eq!(codes(&shop, &there, ListQuery::default()).await, Vec::<String>::new(), "not sold there");
    }

    async fn prices_are_the_visitors(store: TestStore) {
        let (shop, _) = shop(&store);
        let guest = small_shop(&shop).await;
        let milk = shop.product(&guest, "M1").await.expect("milk");
        // 10 % off 12.80 is 11.52; the member price of 11.50 is better still, but never both.
        assert_eq!((milk.card.price.price, milk.card.price.struck), (Fen(1_152), Some(Fen(1_280))));
        assert_eq!(milk.card.price.unit, Some((Fen(121), "100ml".to_owned())));
        assert_eq!(milk.card.price.offer.as_deref(), Some("牛奶九折"));
        // What holds for everything is said once, on the first page.
        assert_eq!(milk.card.labels, Vec::<String>::new());
        let home = shop.home(&guest).await.expect("home");
        assert_eq!(home.offers.iter().map(|offer| offer.name.as_str()).collect::<Vec<_>>(), ["满88减10"]);
        assert_eq!(milk.substitution.choice, "refund", "the default is shown as chosen");
        assert_eq!(milk.variants.iter().map(|v| v.code.as_str()).collect::<Vec<_>>(), ["M1", "M2"]);
        assert_eq!(milk.offers.len(), 2);
        assert_eq!(milk.path, [("dairy".to_owned(), "乳品".to_owned()), ("milk".to_owned(), "牛奶".to_owned())]);
        assert_eq!(milk.similar.iter().map(|c| c.code.as_str()).next(), Some("M2"));
        let member = MemberId::trusted("m1");
        let unit = store.write(Lane::Member("m1"), member.clone(), |conn, member| Box::pin(async move {
            store::members::insert(conn, member, "13800000000", support::NOW).await?;
            store::members::set_membership(conn, member, true, None).await?;
            let first = store::offers::issue_welcome_coupons(conn, member, support::NOW).await?;
            Ok::<_, store::Error>(first)
        }));
        assert_eq!(unit.await.expect("a member"), 0, "no coupon offer runs");
        let signed_in = visit(guest.store.clone(), Lang::En, Some(member), guest.now);
        let milk = shop.product(&signed_in, "M1").await.expect("milk");
        assert_eq!((milk.card.price.price, milk.card.price.offer), (Fen(1_150), None));
        assert_eq!(milk.card.name, "Pure milk");
        assert!(shop.product(&guest, "NIX").await.is_err());
    }

    async fn pages_take_a_fixed_number_of_statements(store: TestStore) {
        let (shop, _) = shop(&store);
        let visit = small_shop(&shop).await;
        shop.home(&visit).await.expect("home");
        let count = |before: u64| store.statements() - before;
        let before = store.statements();
        shop.home(&visit).await.expect("home");
        assert!(count(before) <= 8, "home: {}", count(before));
        let before = store.statements();
        shop.list(&visit, search("香槟")).await.expect("a list");
        assert!(count(before) <= 7, "a list, after two tries that found nothing: {}", count(before));
        let before = store.statements();
        shop.product(&visit, "M1").await.expect("a product");
        assert!(count(before) <= 8, "product: {}", count(before));
    }

    async fn a_list_of_many_takes_as_many_statements_as_a_list_of_one(store: TestStore) {
        let (shop, _) = shop(&store);
        let visit = small_shop(&shop).await;
        let (mut skus, mut stock) = (SKUS.to_owned(), STOCK.to_owned());
        for n in 0..60 {
            writeln!(skus, "B{n},B{n},汽水 {n},Soda,,,,drinks,1,,1.00,,,,,,").expect("a String takes all");
            writeln!(stock, "main,B{n},9,-5m,snapshot").expect("a String takes all");
        }
        let report = import(&shop, &[("skus.csv", &skus), ("stock.csv", &stock)]).await;
        assert_eq!(report.bad().count(), 0, "{report:#?}");
        // What all pages share is in memory then.
        shop.home(&visit).await.expect("home");
        let plain = ListQuery::default;
        let by_price = ListQuery { sort: Sort::PriceUp, ..plain() };
        for query in [plain(), ListQuery { in_stock: true, ..plain() }, by_price] {
            // The first look at a category ranks it, the second finds it ranked.
            for look in ["first", "second"] {
                let mut counts = Vec::new();
                for (category, cards) in [("fresh", 1), ("drinks", 50)] {
                    let query = ListQuery { category: Some(category.to_owned()), ..query.clone() };
                    let before = store.statements();
                    let list = shop.list(&visit, query).await.expect("a list");
                    counts.push(store.statements() - before);
                    assert_eq!(list.cards.len(), cards, "{category}");
                }
                assert!(counts[0] == counts[1] && counts[1] <= 9, "{look} look, one and many: {counts:?}: {query:?}");
            }
        }
    }

    async fn the_nearest_policy_holds_and_why_names_it(store: TestStore) {
        let (shop, clock) = shop(&store);
        small_shop(&shop).await;
        let why = shop.why("main", "M1", shop.now()).await.expect("an answer");
        assert_eq!(why.why.terms.policy.to_string(), "percent 10");
        assert_eq!(why.category.as_deref(), Some("dairy"), "inherited from the category above");
        assert_eq!((why.why.level.on_hand, why.why.level.safety, why.why.sellable), (Base(40), Base(4), Packs(36)));
        assert_eq!(why.why.terms.told_by, Kind::Snapshot);
        // 30 bottles and 2 cases of 12 over the two days on which sales are known, both under the milk offer or not.
        assert!(why.why.terms.promo_today && why.why.dms_milli > 0, "{:?}", why.why.terms.dms);
        let case = shop.why("main", "M2", shop.now()).await.expect("an answer");
        assert_eq!(case.why.sellable, Packs(3), "36 units, cases of 12");
        let own = shop.why("main", "M3", shop.now()).await.expect("an answer");
        assert_eq!((own.why.terms.policy_source, own.why.sellable), (Source::Sku, Packs(4)));
        let water = shop.why("main", "W1", shop.now()).await.expect("an answer");
        assert_eq!((water.why.terms.policy_source, water.why.state), (Source::Store, State::Low(Packs(2))));
        assert!(shop.why("far", "M1", shop.now()).await.is_err());

        let greens = shop.why("main", "G1", shop.now()).await.expect("an answer");
        assert_eq!(greens.why.sellable, Packs(10));
        shop.expire_counts(shop.now()).await.expect("a look");
        let mut changes = store.changes();
        clock.advance(domain::time::DAY_MS);
        assert_eq!(shop.expire_counts(shop.now()).await.expect("a look"), 1);
        assert_eq!(changes.recv().await.expect("news").stock.len(), 1, "open pages hear of it");
        let greens = shop.why("main", "G1", shop.now()).await.expect("an answer");
        assert_eq!((greens.why.state, greens.why.count_ran_out), (State::SoldOut, true));
    }

    async fn a_batch_of_the_tills_counts_once(store: TestStore) {
        let (shop, _) = shop(&store);
        let visit = small_shop(&shop).await;
        let at = shop.now().0;
        let row = |sku: &str, quantity| Row { sku: Some(sku.to_owned()), quantity, at, ..Row::default() };
        let batch = Batch {
            key: "b1".to_owned(),
            store: "main".to_owned(),
            kind: BatchKind::Sales,
            rows: vec![row("M2", 2), row("M1", 6), row("NIX", 1)],
        };
        let first = shop.apply_batch("till", &batch).await.expect("an answer");
        assert_eq!((first.applied, first.bad.len(), first.bad[0].row), (2, 1, 2));
        let again = shop.apply_batch("till", &batch).await.expect("an answer");
        assert_eq!(first, again);
        let other = Batch { rows: vec![row("M1", 7)], ..batch.clone() };
        assert!(shop.apply_batch("till", &other).await.is_err(), "the same key, another body");
        let why = shop.why("main", "M1", shop.now()).await.expect("an answer");
        assert_eq!(why.why.level.on_hand, Base(10));
        let late = Batch {
            key: "b2".to_owned(),
            kind: BatchKind::Snapshot,
            rows: vec![Row { quantity: 99, at: at - 3_600_000, ..row("M1", 99) }],
            ..batch
        };
        assert_eq!(shop.apply_batch("till", &late).await.expect("an answer").late, 1);
        let page = shop.product(&visit, "M1").await.expect("milk");
        assert!(page.card.live.max <= Packs(9), "{:?}", page.card.live);
        assert!(shop.check().await.expect("proofs").is_empty());
    }

    async fn a_batch_with_a_nul_in_it_names_nothing(store: TestStore) {
        let (shop, _) = shop(&store);
        small_shop(&shop).await;
        let row = |sku: &str| Row { sku: Some(sku.to_owned()), quantity: 1, at: shop.now().0, ..Row::default() };
        let barcode = Row { sku: None, barcode: Some("\0".to_owned()), ..row("") };
        let batch = Batch {
            key: "b1".to_owned(),
            store: "main".to_owned(),
            kind: BatchKind::Sales,
            rows: vec![row("M1"), row("M1\0"), barcode],
        };
        let answer = shop.apply_batch("till", &batch).await.expect("an answer");
        assert_eq!((answer.applied, answer.bad.iter().map(|bad| bad.row).collect::<Vec<_>>()), (1, vec![1, 2]));
        assert_eq!(shop.apply_batch("till", &batch).await.expect("an answer"), answer);
        for (key, at, field) in [("a\0b", "main", "key"), ("\n", "main", "key"), ("b2", "main\0", "store")] {
            let odd = Batch { key: key.to_owned(), store: at.to_owned(), ..batch.clone() };
            let refused = shop.apply_batch("till", &odd).await.expect_err("no batch").user();
            assert_eq!((refused.code, refused.field.as_deref()), (domain::Code::Invalid, Some(field)));
        }
    }

    async fn stores_are_sorted_by_distance(store: TestStore) {
        let (shop, _) = shop(&store);
        small_shop(&shop).await;
        let stores = shop.stores(Lang::En, None, Some((30_207_000, 120_210_000)), shop.now()).await.expect("stores");
        assert_eq!(stores.iter().map(|s| (s.code.as_str(), s.open_now)).collect::<Vec<_>>(), [("far", false), ("main", true)]);
        assert_eq!(stores[0].hours, "22:00–24:00");
    }

    async fn a_barcode_names_what_is_on_sale(store: TestStore) {
        let (shop, _) = shop(&store);
        small_shop(&shop).await;
        let skus = "code,name_zh,name_en,barcode,category,pack_size,price,status
A100,旧茶,Old tea,6900000000017,drinks,1,5.00,off
A200,新茶,New tea,6900000000017,drinks,1,5.00,on
B100,红茶,Black tea,6900000000024,drinks,1,5.00,on
B200,绿茶,Green tea,6900000000024,drinks,1,5.00,on
";
        let report = import(&shop, &[("skus.csv", skus)]).await;
        assert_eq!(report.bad().count(), 0, "{report:#?}");
        let at = shop.now().0;
        let row = |barcode: &str| Row { barcode: Some(barcode.to_owned()), quantity: 3, at, ..Row::default() };
        let named = Row { sku: Some("B200".to_owned()), ..row("6900000000024") };
        let batch = Batch {
            key: "b1".to_owned(),
            store: "main".to_owned(),
            kind: BatchKind::Receipts,
            rows: vec![row("6900000000017"), row("6900000000024"), named],
        };
        let answer = shop.apply_batch("till", &batch).await.expect("an answer");
        assert_eq!((answer.applied, answer.bad.iter().map(|bad| bad.row).collect::<Vec<_>>()), (2, vec![1]));
        let refused = &answer.bad[0].error;
        assert_eq!((refused.code, refused.field.as_deref()), (domain::Code::Invalid, Some("barcode")));
        for sku in ["A200", "B200"] {
            let why = shop.why("main", sku, shop.now()).await.expect("an answer");
            assert_eq!(why.why.level.on_hand, Base(3), "{sku}");
        }
        for sku in ["A100", "B100"] {
            assert!(shop.why("main", sku, shop.now()).await.is_err(), "nothing of {sku} came in");
        }
    }

    async fn a_promotion_of_some_hours_makes_the_whole_day_one(store: TestStore) {
        let (shop, clock) = shop(&store);
        small_shop(&shop).await;
        // It is 10 o'clock: from 18:00 to 21:00.
        let offers = "code,kind,name_zh,name_en,store,starts,ends,scope,price,percent_off,threshold,off
WATER,timed,晚间特价,Evening deal,,+8h,+11h,sku:W1,1.50,,,
";
        let report = import(&shop, &[("offers.csv", offers)]).await;
        assert_eq!(report.bad().count(), 0, "{report:#?}");
        let is_promo = async || shop.why("main", "W1", shop.now()).await.expect("an answer").why.terms.promo_today;
        assert!(is_promo().await, "before it begins");
        clock.advance(12 * HOUR_MS);
        shop.run_due(shop.now()).await;
        assert!(is_promo().await, "when it is over");
        clock.advance(2 * HOUR_MS - 1);
        shop.run_due(shop.now()).await;
        assert!(is_promo().await, "up to midnight");
        clock.advance(1);
        shop.run_due(shop.now()).await;
        assert!(!is_promo().await, "the next day begins without it, however short ago the job ran");
    }

    async fn goods_that_are_counted_by_hand_are_nothing_without_the_days_count(store: TestStore) {
        let (shop, clock) = shop(&store);
        small_shop(&shop).await;
        let categories = "code,parent,name_zh,name_en,sort,safety,count_holds
tank,,鱼缸,Fish tank,4,absolute 0,always
";
        let skus = "code,name_zh,name_en,category,pack_size,price,counted
FISH,鲜鱼,Fish,fresh,1,20.00,1
CRAB,螃蟹,Crab,fresh,1,30.00,1
EEL,鳗鱼,Eel,tank,1,40.00,1
LEEK,韭菜,Leek,fresh,1,3.00,0
";
        let report = import(&shop, &[("categories.csv", categories), ("skus.csv", skus)]).await;
        assert_eq!(report.bad().count(), 0, "{report:#?}");
        five(&shop, BatchKind::Receipts, &["FISH", "EEL", "LEEK"]).await;
        five(&shop, BatchKind::Snapshot, &["CRAB"]).await;
        let sellable = async || {
            let mut packs = Vec::new();
            for sku in ["FISH", "CRAB", "EEL", "LEEK"] {
                packs.push(shop.why("main", sku, shop.now()).await.expect("an answer").why.sellable.0);
            }
            packs
        };
        assert_eq!(sellable().await, [5, 5, 5, 5]);
        clock.advance(14 * HOUR_MS);
        assert_eq!(sellable().await, [0, 0, 5, 5], "the day is over");
        five(&shop, BatchKind::Receipts, &["FISH"]).await;
        assert_eq!(sellable().await, [0, 0, 5, 5], "what comes in is no count");
        five(&shop, BatchKind::Count, &["FISH"]).await;
        assert_eq!(sellable().await, [5, 0, 5, 5]);
        assert!(shop.check().await.expect("proofs").is_empty());
    }
}
