//! Searches look among the best sellers first, and know them by their present names.

mod support;

use domain::view::{Lang, ListQuery};
use std::fmt::Write;
use support::{guest, import, shop};

const STORES: &str = "code,name_zh,name_en,zone,opens,closes,delivery_radius_m,delivery_fee
main,总店,Main,Asia/Shanghai,08:00,22:00,3000,6.00
";
const CATEGORIES: &str = "code,parent,name_zh,name_en,count_holds\ndairy,,乳品,Dairy,day\n";

/// Forty kinds of milk; the one in the middle has the name given.
fn skus(best: &str) -> String {
    let mut text = String::from("code,name_zh,category,pack_size,price\n");
    for n in 0..40 {
        let name = if n == 20 { best.to_owned() } else { format!("牧场纯牛奶{n}号") };
        writeln!(text, "M{n},{name},dairy,1,5.90").expect("a String takes all");
    }
    text
}

fn stock() -> String {
    (0..40).fold(String::from("store,pool,on_hand,as_of\n"), |text, n| text + &format!("main,M{n},50,-1h\n"))
}

store::on_both! {
    async fn the_best_seller_is_found_first_and_by_its_new_name(store: TestStore) {
        let (shop, _) = shop(&store);
        let sales = "store,sku,sold_at,quantity\nmain,M20,-2d,9\nmain,M3,-2d,4\n";
        let files = [
            ("stores.csv", STORES),
            ("categories.csv", CATEGORIES),
            ("skus.csv", &skus("山谷纯牛奶")),
            ("stock.csv", &stock()),
            ("sales.csv", sales),
        ];
        let report = import(&shop, &files).await;
        assert_eq!(report.bad().count(), 0);
        let visit = guest(&shop, Lang::Zh).await;
        let first = |text: &'static str| {
            let (shop, visit) = (shop.clone(), visit.clone());
            async move {
                let found = shop.suggest(&visit, text).await.expect("suggestions");
                found.into_iter().take(2).map(|s| s.text).collect::<Vec<_>>()
            }
        };
        assert_eq!(first("牛奶").await, ["山谷纯牛奶", "牧场纯牛奶3号"]);
        // One letter is looked for among them alone.
        assert_eq!(first("n").await, ["山谷纯牛奶", "牧场纯牛奶3号"]);
        let query = ListQuery { text: "牛奶".to_owned(), ..ListQuery::default() };
        let list = shop.list(&visit, query).await.expect("a list");
        assert_eq!((list.total, list.cards[0].name.as_str()), (40, "山谷纯牛奶"));

        let report = import(&shop, &[("skus.csv", &skus("河谷鲜牛奶"))]).await;
        assert_eq!(report.written(), 1);
        assert_eq!(first("山谷").await, Vec::<String>::new());
        assert_eq!(first("鲜牛奶").await, ["河谷鲜牛奶"]);
        assert_eq!(first("牛奶").await, ["河谷鲜牛奶", "牧场纯牛奶3号"]);
    }

    async fn a_category_is_in_the_order_of_what_sells_as_soon_as_that_is_known(store: TestStore) {
        let (shop, _) = shop(&store);
        let places = [("stores.csv", STORES), ("categories.csv", CATEGORIES)];
        assert_eq!(import(&shop, &places).await.bad().count(), 0);
        let goods = skus("山谷纯牛奶");
        assert_eq!(import(&shop, &[("skus.csv", &goods)]).await.bad().count(), 0);
        let visit = guest(&shop, Lang::Zh).await;
        let listed = || {
            let (shop, visit) = (shop.clone(), visit.clone());
            async move {
                let query = ListQuery { category: Some("dairy".to_owned()), ..ListQuery::default() };
                let list = shop.list(&visit, query).await.expect("a list");
                (list.total, list.cards.into_iter().take(2).map(|card| card.code).collect::<Vec<_>>())
            }
        };
        assert_eq!(listed().await, (0, vec![]), "the store keeps none of them");
        import(&shop, &[("stock.csv", &stock())]).await;
        assert_eq!(listed().await, (40, vec!["M0".to_owned(), "M1".to_owned()]));
        import(&shop, &[("sales.csv", "store,sku,sold_at,quantity\nmain,M20,-2d,9\nmain,M3,-2d,4\n")]).await;
        assert_eq!(listed().await, (40, vec!["M20".to_owned(), "M3".to_owned()]));
        let off = goods.replace("price\n", "price,status\n").replace("5.90\n", "5.90,on\n").replace("on\nM21", "off\nM21");
        assert_eq!(import(&shop, &[("skus.csv", &off)]).await.bad().count(), 0);
        assert_eq!(listed().await, (39, vec!["M3".to_owned(), "M0".to_owned()]));
    }
}
