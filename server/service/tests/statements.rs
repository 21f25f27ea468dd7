//! What statements cost: a basket of forty lines takes as many as one of a single
//! line, and none of an order's walks through a table that grows with orders.

#[path = "support/sale.rs"]
mod sale;
mod support;

use domain::Packs;
use sale::World;
use service::Visit;
use service::checkout::CheckoutChoice;
use std::fmt::Write;
use support::import;

const GOODS: usize = 40;

/// Forty goods in four categories, each with a neighbour that could stand in for it.
async fn stock_up(world: &World) {
    let mut categories = String::from("code,parent,name_zh,name_en,sort,picture,safety,count_holds\n");
    for n in 0..4 {
        writeln!(categories, "kind{n},food,类{n},Kind {n},{n},box,,").expect("a String takes all");
    }
    let mut skus = String::from("code,name_zh,name_en,category,pack_size,price\n");
    let mut stock = String::from("store,pool,on_hand,as_of,kind\n");
    for n in 0..GOODS {
        writeln!(skus, "G{n},货{n},Good {n},kind{},1,{}.50", n % 4, 1 + n % 9).expect("a String takes all");
        writeln!(stock, "main,G{n},50,-1h,snapshot").expect("a String takes all");
    }
    let files = [("categories.csv", categories.as_str()), ("skus.csv", &skus), ("stock.csv", &stock)];
    let report = import(&world.shop, &files).await;
    assert_eq!(report.bad().count(), 0);
}

async fn fill(world: &World, visit: &Visit, lines: usize) {
    for n in 0..lines {
        let sku = world.sku(&format!("G{n}")).await;
        world.shop.add(visit, &sku, Packs(1)).await.expect("in the basket");
    }
}

store::on_both! {
    async fn checkout_costs_the_same_for_one_line_and_for_forty(store: TestStore) {
        let world = World::open(&store).await;
        stock_up(&world).await;
        let (one, many) = (world.member(1).await, world.member(2).await);
        fill(&world, &one, 1).await;
        fill(&world, &many, GOODS).await;
        let mut viewed = Vec::new();
        let mut placed = Vec::new();
        for (visit, lines) in [(&one, 1), (&many, GOODS)] {
            let choice = || CheckoutChoice { kind: "pickup".to_owned(), ..CheckoutChoice::default() };
            // Coupons are issued and caches filled by the first look.
            world.shop.checkout(visit, choice()).await.expect("a page");
            let before = store.statements();
            let page = world.shop.checkout(visit, choice()).await.expect("a page");
            viewed.push(store.statements() - before);
            assert_eq!(page.basket.lines.len(), lines);
            assert!(!page.basket.lines[0].substitution.candidates.is_empty());

            let form = world.form(visit, "pickup").await;
            let before = store.statements();
            world.shop.place(visit, form).await.expect("an order");
            placed.push(store.statements() - before);
        }
        assert_eq!(viewed[0], viewed[1], "statements of the checkout page: {viewed:?}");
        assert_eq!(placed[0], placed[1], "statements of placing: {placed:?}");
        assert!(viewed[0] <= 40 && placed[0] <= 40, "{viewed:?} {placed:?}");
        world.check().await;
    }
}

/// Tables that grow with orders or with members.
const GROWING: [&str; 12] = [
    "orders",
    "order_line",
    "line_share",
    "order_event",
    "payment",
    "movement",
    "offer_use",
    "basket_line",
    "member",
    "session",
    "sandbox_trade",
    "callback_log",
];

/// Does a step of a statement's plan read a growing table whole, or all that a store has in it?
fn walks(step: &str, sql: &str) -> bool {
    let mut words = step.split_whitespace();
    let (how, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_named = |table: &str| *table == *name || sql.contains(&format!(" {table} {name} "));
    GROWING.iter().any(|table| is_named(table)) && (how == "SCAN" || step.ends_with("(store_id=?)"))
}

#[tokio::test]
async fn an_order_walks_through_no_table() {
    let store = store::testing::sqlite().await;
    let world = World::open(&store).await;
    stock_up(&world).await;
    let visit = world.member(1).await;
    world.paid_order(&visit, &[("THIRTY", 1)]).await;
    store.keep_statements();
    fill(&world, &visit, 5).await;
    let form = world.form(&visit, "delivery").await;
    let placed = world.place(&visit, form).await;
    world.act(&placed, "pay").await;
    world.settle().await;
    world.view(&visit, &placed).await;
    world.shop.cancel(&visit, &placed.code).await.expect("called off");
    world.settle().await;
    let held = world.order(&visit, &[("SIXTY", 2)]).await;
    world.clock.advance(16 * 60_000);
    world.settle().await;
    world.view(&visit, &held).await;
    let plans = store.kept_plans().await;
    assert!(plans.len() > 60, "the statements were kept: {}", plans.len());
    let found: Vec<String> = plans
        .iter()
        .flat_map(|(sql, steps)| steps.iter().map(move |step| (sql, step)))
        .filter(|(sql, step)| walks(step, sql))
        .map(|(sql, step)| format!("{step}: {sql}"))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}
