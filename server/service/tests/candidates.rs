//! Substitutes that are offered: never of a brand that the member rules out, and
//! found however much is sold out.

#[path = "support/sale.rs"]
mod sale;
mod support;

use domain::Code;
use domain::ids::SkuId;
use sale::{World, code_of};
use service::Visit;
use std::fmt::Write;
use support::import;

/// More than are looked at at once.
const GOODS: usize = 300;

const SKUS: &str = "code,name_zh,name_en,brand_zh,brand_en,category,pack_size,price\n\
    Y1,酸奶,Yoghurt,光明,Bright,dairy,1,6.00\n\
    Y2,酸奶,Yoghurt,蒙牛,Mengniu,dairy,1,6.10\n\
    Y3,酸奶,Yoghurt,,Oatly,dairy,1,6.20\n\
    Y4,酸奶,Yoghurt,,,dairy,1,6.30\n";
const STOCK: &str = "store,pool,on_hand,as_of,kind\n\
    main,Y1,50,-1h,snapshot\nmain,Y2,50,-1h,snapshot\nmain,Y3,50,-1h,snapshot\nmain,Y4,50,-1h,snapshot\n";

/// Codes of the yoghurts that are offered in place of `sku`.
async fn offered(world: &World, visit: &Visit, sku: &SkuId) -> Vec<String> {
    let candidates = world.shop.candidates(visit, sku).await.expect("candidates");
    let codes = candidates.into_iter().map(|candidate| candidate.card.code);
    let mut codes: Vec<String> = codes.filter(|code| code.starts_with('Y')).collect();
    codes.sort();
    codes
}

store::on_both! {
    async fn a_brand_that_is_ruled_out_is_never_offered(store: TestStore) {
        let world = World::open(&store).await;
        assert_eq!(import(&world.shop, &[("skus.csv", SKUS), ("stock.csv", STOCK)]).await.bad().count(), 0);
        let (visit, other) = (world.member(1).await, world.member(2).await);
        let sku = world.sku("Y1").await;
        let all = ["Y2", "Y3", "Y4"];
        assert_eq!(offered(&world, &visit, &sku).await, all);
        world.shop.set_never_brands(&visit, &["蒙牛".to_owned(), " Oatly ".to_owned()]).await.expect("ruled out");
        assert_eq!(world.shop.never_brands(&visit).await.expect("reads"), ["Oatly", "蒙牛"]);
        assert_eq!(offered(&world, &visit, &sku).await, ["Y4"]);
        assert_eq!(offered(&world, &other, &sku).await, all, "nobody else's choice");
        let page = world.shop.product(&visit, "Y1").await.expect("a page");
        assert!(page.similar.iter().all(|card| !matches!(card.code.as_str(), "Y2" | "Y3")));
        // Nor can it be chosen.
        let chosen = vec![world.sku("Y2").await];
        world.fill(&visit, &[("Y1", 1)]).await;
        let refused = world.shop.set_substitution(&visit, &sku, "chosen", chosen.clone()).await;
        assert_eq!(code_of(refused), Code::SubstituteNotAllowed);
        world.shop.set_never_brands(&visit, &[]).await.expect("allowed again");
        assert_eq!(offered(&world, &visit, &sku).await, all);
        world.shop.set_substitution(&visit, &sku, "chosen", chosen).await.expect("chosen");
        let too_many = vec!["x".to_owned(); 51];
        assert_eq!(code_of(world.shop.set_never_brands(&visit, &too_many).await), Code::Invalid);
    }

    async fn what_is_left_is_found_behind_all_that_is_sold_out(store: TestStore) {
        let world = World::open(&store).await;
        let mut skus = String::from("code,name_zh,name_en,category,pack_size,price\n");
        let mut stock = String::from("store,pool,on_hand,as_of,kind\n");
        for n in 0..GOODS {
            writeln!(skus, "Y{n:03},酸奶{n},Yoghurt {n},dairy,1,6.{:02}", n % 100).expect("a String takes all");
            let left = if n == 0 || n >= GOODS - 20 { 9 } else { 0 };
            writeln!(stock, "main,Y{n:03},{left},-1h,snapshot").expect("a String takes all");
        }
        assert_eq!(import(&world.shop, &[("skus.csv", &skus), ("stock.csv", &stock)]).await.bad().count(), 0);
        let visit = world.member(1).await;
        let sku = world.sku("Y000").await;
        let found = offered(&world, &visit, &sku).await;
        assert_eq!(found.len(), 8, "{found:?}");
        assert!(found.iter().all(|code| code.as_str() >= "Y280"), "{found:?}");
    }

    async fn what_was_accepted_before_is_offered_however_little_it_sells(store: TestStore) {
        let world = World::open(&store).await;
        let mut skus = String::from("code,name_zh,name_en,category,pack_size,price\n");
        let mut stock = String::from("store,pool,on_hand,as_of,kind\n");
        for n in 0..GOODS {
            writeln!(skus, "Y{n:03},酸奶{n},Yoghurt {n},dairy,1,6.00").expect("a String takes all");
            writeln!(stock, "main,Y{n:03},9,-1h,snapshot").expect("a String takes all");
        }
        assert_eq!(import(&world.shop, &[("skus.csv", &skus), ("stock.csv", &stock)]).await.bad().count(), 0);
        let visit = world.member(1).await;
        let (sku, last) = (world.sku("Y000").await, world.sku("Y299").await);
        assert!(!offered(&world, &visit, &sku).await.contains(&"Y299".to_owned()));
        let pair = (sku.clone(), last);
        let noted: store::Result<u64> = store.write(store::Lane::Background, pair, |conn, (sku, last)| Box::pin(async move {
            let sql = "INSERT INTO substitution_pair (sku_id, substitute_id, accepted, declined) VALUES ($1, $2, 3, 0)";
            conn.exec(sql, store::vals![sku, last]).await
        })).await;
        assert_eq!(noted.expect("noted"), 1);
        assert!(offered(&world, &visit, &sku).await.contains(&"Y299".to_owned()));
    }
}
