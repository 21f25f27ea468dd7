//! Several servers over one database: each job is done once, and the work of a
//! server that died is taken over.

#[path = "support/sale.rs"]
mod sale;
mod support;

use domain::time::{MINUTE_MS, SECOND_MS};
use sale::World;
use service::{Error, Shop};
use store::{Lane, outbox};

/// Is the job this process's now?
async fn claim(shop: &Shop, owner: &'static str, at_ms: i64) -> bool {
    let now = support::NOW.plus(at_ms);
    let work = shop.store().write(Lane::Background, (owner, now), |conn, (owner, now)| {
        Box::pin(async move {
            Ok::<bool, Error>(outbox::claim_job(conn, "test", owner, *now, MINUTE_MS, 10 * SECOND_MS).await?)
        })
    });
    work.await.expect("an answer")
}

async fn end(shop: &Shop, owner: &'static str, done_ms: Option<i64>) {
    let input = (owner, done_ms.map(|ms| support::NOW.plus(ms)));
    let work = shop.store().write(Lane::Background, input, |conn, (owner, done)| {
        Box::pin(async move {
            Ok::<(), Error>(outbox::end_job(conn, "test", owner, *done, support::NOW.plus(15 * SECOND_MS)).await?)
        })
    });
    work.await.expect("an answer");
}

store::on_both! {
    async fn holds_that_ran_out_are_ended_once(store: TestStore) {
        let world = World::open(&store).await;
        let twin = World::twin(&store).await;
        for n in 1..=20 {
            let visit = world.member(n).await;
            world.order(&visit, &[("MILK", 1)]).await;
        }
        world.settle().await;
        assert_eq!(world.level("MILK").await, (100, 20));
        world.clock.advance(15 * MINUTE_MS + 1);
        let now = world.shop.now();
        let (one, other) = tokio::join!(world.shop.expire_holds(now), twin.expire_holds(now));
        assert_eq!(one.expect("a job") + other.expect("a job"), 20);
        assert_eq!(world.level("MILK").await, (100, 0));
        assert_eq!(world.number("SELECT COUNT(*) FROM order_event WHERE kind = 'hold_expired'").await, 20);
        world.check().await;
        twin.store().close().await;
    }

    async fn a_row_of_the_outbox_is_delivered_once(store: TestStore) {
        let world = World::open(&store).await;
        let twin = World::twin(&store).await;
        for n in 1..=20 {
            let visit = world.member(n).await;
            let placed = world.order(&visit, &[("MILK", 1)]).await;
            world.shop.cancel(&visit, &placed.code).await.expect("called off: its payment is to be closed");
        }
        let tries = world.number("SELECT CAST(SUM(tries) AS BIGINT) FROM outbox WHERE state = 'waiting'").await;
        let waiting = world.number("SELECT COUNT(*) FROM outbox WHERE state = 'waiting'").await;
        assert_eq!(waiting, 20);
        let now = world.shop.now();
        let (one, other) = tokio::join!(world.shop.run_outbox(now), twin.run_outbox(now));
        let taken = one.expect("a job") + other.expect("a job");
        assert_eq!(i64::try_from(taken).expect("few"), waiting, "each by one server");
        let after = world.number("SELECT CAST(SUM(tries) AS BIGINT) FROM outbox").await;
        assert!(after >= tries + waiting);
        assert_eq!(world.number("SELECT COUNT(*) FROM outbox WHERE tries > 1").await, 0);
        assert_eq!(world.number("SELECT COUNT(*) FROM outbox WHERE state <> 'done'").await, 0);
        twin.store().close().await;
    }

    async fn the_outbox_of_a_dead_server_is_taken_over(store: TestStore) {
        let world = World::open(&store).await;
        let twin = World::twin(&store).await;
        let visit = world.member(1).await;
        let placed = world.order(&visit, &[("MILK", 1)]).await;
        world.shop.cancel(&visit, &placed.code).await.expect("called off: its payment is to be closed");
        // Whether it was done at once or not: it is due, and claimed by a server that dies then.
        let now = world.shop.now();
        let claimed = world.shop.store().write(Lane::Background, now, |conn, now| {
            Box::pin(async move {
                conn.exec("UPDATE outbox SET state = 'waiting', tries = 0, due_at = $1", store::vals![*now]).await?;
                Ok::<_, Error>(outbox::claim(conn, *now, MINUTE_MS, 10).await?.len())
            })
        });
        assert_eq!(claimed.await.expect("claimed"), 1);
        assert_eq!(twin.run_outbox(now.plus(MINUTE_MS - 1)).await.expect("a job"), 0, "it may live still");
        assert_eq!(twin.run_outbox(now.plus(MINUTE_MS)).await.expect("a job"), 1);
        twin.store().close().await;
    }

    async fn a_periodic_job_is_one_servers_until_its_lease_runs_out(store: TestStore) {
        let world = World::open(&store).await;
        let shop = &world.shop;
        assert!(claim(shop, "one", 0).await);
        assert!(!claim(shop, "other", 1).await, "the first has it");
        assert!(claim(shop, "other", 10 * SECOND_MS).await, "the first died");
        // What the first says late changes nothing.
        end(shop, "one", Some(10 * SECOND_MS)).await;
        assert!(!claim(shop, "one", 11 * SECOND_MS).await);
        // It failed: tried again a little later.
        end(shop, "other", None).await;
        assert!(!claim(shop, "one", 14 * SECOND_MS).await);
        assert!(claim(shop, "one", 15 * SECOND_MS).await);
        end(shop, "one", Some(15 * SECOND_MS)).await;
        assert!(!claim(shop, "other", 70 * SECOND_MS).await, "done less than a minute ago");
        assert!(claim(shop, "other", 75 * SECOND_MS).await);
        // The clock went back by an hour: what lies ahead binds nobody.
        end(shop, "other", Some(75 * SECOND_MS)).await;
        assert!(claim(shop, "one", -60 * MINUTE_MS).await);
    }
}
