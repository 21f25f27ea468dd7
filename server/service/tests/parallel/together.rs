//! Orders and payments that wait together are served by the same statements,
//! and get what they would have got one after another.

use crate::gate::served_at_once;
use crate::sale::{World, trade_no};
use crate::support::NOW;
use domain::view::PlaceForm;
use service::checkout::Placed;
use service::{Result, Visit};
use store::conn::Kind;
use store::testing::TestStore;
use store::{Lane, vals};

/// As many as are served by the same statements.
const MANY: u32 = 64;

/// Members with the same goods in their baskets, and their forms.
async fn buyers(world: &World, first: u32, count: u32, goods: &[(&str, i64)]) -> Vec<(Visit, PlaceForm)> {
    let mut all = Vec::new();
    for n in first..first + count {
        let visit = world.member(n).await;
        world.fill(&visit, goods).await;
        all.push((visit.clone(), world.form(&visit, "pickup").await));
    }
    all
}

/// Places all of the orders at once.
async fn place_at_once(world: &World, buyers: Vec<(Visit, PlaceForm)>) -> Vec<Result<Placed>> {
    let all = buyers.into_iter().map(|(visit, form)| {
        let shop = world.shop.clone();
        async move { shop.place(&visit, form).await }
    });
    served_at_once(&world.shop, &world.store, all.collect()).await
}

/// A database of the same kind, with nothing in it.
async fn another(store: &TestStore) -> TestStore {
    match store.kind() {
        Kind::Sqlite => store::testing::sqlite().await,
        Kind::Postgres => store::testing::postgres().await.expect("there is one already"),
    }
}

/// Changes the terms of an offer.
async fn change_offer(world: &World, sql: &'static str) {
    let work = world.shop.store().write(Lane::Background, (), move |conn, ()| {
        Box::pin(async move {
            conn.exec(sql, vals![]).await?;
            conn.touch_catalogue();
            Ok::<(), service::Error>(())
        })
    });
    work.await.expect("changed");
}

/// What became of a request, with all that the member is told.
fn told(result: &Result<Placed>) -> String {
    match result {
        Ok(_) => "placed".to_owned(),
        Err(error) => format!("{:?}", error.user()),
    }
}

/// Four buyers want a deal that has fewer places: all at once in one shop, one
/// after another in another. What each is told, and what the offer has used.
async fn last_place(store: &TestStore, terms: &'static str) -> Vec<(Vec<String>, i64, i64)> {
    let other = another(store).await;
    let mut seen = Vec::new();
    for (store, at_once) in [(store, true), (&other, false)] {
        let world = World::open(store).await;
        change_offer(&world, terms).await;
        let buyers = buyers(&world, 0, 4, &[("RARE", 1)]).await;
        let results = if at_once {
            place_at_once(&world, buyers).await
        } else {
            let mut results = Vec::new();
            for (visit, form) in buyers {
                results.push(world.shop.place(&visit, form).await);
            }
            results
        };
        world.check().await;
        let used = world.number("SELECT used FROM offer WHERE code = 'rare'").await;
        let spent = world.number("SELECT spent FROM offer WHERE code = 'rare'").await;
        seen.push((results.iter().map(told).collect(), used, spent));
    }
    seen
}

store::on_both! {
    async fn many_orders_cost_about_as_many_statements_as_one(store: TestStore) {
        let world = World::open(&store).await;
        let goods = [("SIXTY", 1), ("THIRTY", 1), ("MILK", 1)];
        let one = buyers(&world, 0, 1, &goods).await;
        let before = store.statements();
        assert!(place_at_once(&world, one).await.iter().all(Result::is_ok));
        let alone = store.statements() - before;

        let many = buyers(&world, 1, MANY, &goods).await;
        let before = store.statements();
        let placed = place_at_once(&world, many).await;
        let together = store.statements() - before;
        assert!(placed.iter().all(Result::is_ok), "{placed:?}");
        // The last one's coupon is the only thing that only the first one had.
        assert!(together <= alone + 4, "{alone} statements for one order, {together} for {MANY}");
        world.check().await;
    }

    async fn many_payments_cost_about_as_many_statements_as_one(store: TestStore) {
        let world = World::open(&store).await;
        let mut bodies = Vec::new();
        for (visit, form) in buyers(&world, 0, 33, &[("MILK", 1)]).await {
            let placed = world.place(&visit, form).await;
            let trade_no = trade_no(&placed.payment_url);
            bodies.push(format!(
                r#"{{"trade_no":"{trade_no}","channel_no":"C{trade_no}","amount":1000,"outcome":"success"}}"#
            ));
        }
        let confirm = async |bodies: Vec<String>| {
            let before = store.statements();
            let all = bodies.into_iter().map(|body| {
                let shop = world.shop.clone();
                async move {
                    let (time, key) = (NOW.to_string(), shop.settings().sandbox_key.clone());
                    let signature = service::sandbox::sign(&key, &time, body.as_bytes());
                    shop.callback("sandbox", &time, &signature, body.as_bytes()).await
                }
            });
            let answers = served_at_once(&world.shop, &world.store, all.collect()).await;
            for answer in answers {
                assert_eq!(answer.expect("an answer").verdict, service::payments::Verdict::Confirmed);
            }
            store.statements() - before
        };
        let rest = bodies.split_off(1);
        let count = rest.len() as u64;
        let alone = confirm(bodies).await;
        let together = confirm(rest).await;
        // Each looks its payment up before it waits; the rest is done together.
        assert!(together < alone + count, "{alone} statements for one payment, {together} for {count}");
        assert_eq!(world.number("SELECT COUNT(*) FROM orders WHERE state = 'paid'").await, 33);
        world.check().await;
    }

    async fn the_last_places_of_an_offer_go_to_who_came_first(store: TestStore) {
        let seen = last_place(&store, "UPDATE offer SET total = 2 WHERE code = 'rare'").await;
        assert_eq!(seen[0], seen[1], "at once as one after another");
        let (told, used, spent) = &seen[0];
        assert_eq!((&told[..2], *used, *spent), (&["placed".to_owned(), "placed".to_owned()][..], 2, 200));
        assert!(told[2].contains("PriceChanged") && told[3] == told[2], "{told:?}");
    }

    async fn the_last_of_a_budget_goes_to_who_came_first(store: TestStore) {
        // Each takes 100 fen off.
        let seen = last_place(&store, "UPDATE offer SET total = NULL, budget = 150 WHERE code = 'rare'").await;
        assert_eq!(seen[0], seen[1], "at once as one after another");
        let (told, used, spent) = &seen[0];
        assert_eq!((told[0].as_str(), *used, *spent), ("placed", 1, 100));
        assert!(told[1..].iter().all(|told| told.contains("PriceChanged")), "{told:?}");
    }

    async fn two_orders_of_one_member_that_wait_together_are_one_after_the_other(store: TestStore) {
        let world = World::open(&store).await;
        let [(visit, form)] = &buyers(&world, 0, 1, &[("MILK", 2)]).await[..] else { panic!("one buyer") };
        // Two tabs, each with a key of its own.
        let tabs = ["the-first-tab", "the-second-tab"].map(|key| {
            (visit.clone(), PlaceForm { idempotency_key: key.to_owned(), ..form.clone() })
        });
        let results = place_at_once(&world, tabs.to_vec()).await;
        assert!(results[0].is_ok());
        assert_eq!(told(&results[1]), told(&Err(domain::Code::BasketEmpty.into())));
        assert_eq!(world.level("MILK").await, (100, 2));
        world.check().await;
    }
}
