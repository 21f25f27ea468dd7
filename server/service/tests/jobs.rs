//! Several servers over one database: each job is done once, and the work of a
//! server that died is taken over.

#[path = "support/sale.rs"]
mod sale;
mod support;

use domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use domain::{Fen, Millis};
use futures::future::BoxFuture;
use sale::World;
use service::ports::{Callback, Channel, Paid, Ports, SimClock, SystemRandom};
use service::sandbox::SandboxMessenger;
use service::{Error, Result, Settings, Shop};
use std::sync::Arc;
use store::{Lane, outbox};

/// A channel whose every answer takes this long.
#[derive(Debug)]
struct Slow(Arc<SimClock>, i64);

impl Channel for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }
    fn open<'a>(&'a self, _: &'a str, _: Fen, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<String>> {
        Box::pin(async { Err(Error::Internal("no page".to_owned())) })
    }
    fn close<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async {
            self.0.advance(self.1);
            Ok(())
        })
    }
    fn query<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Paid>> {
        Box::pin(async { Ok(Paid::Open) })
    }
    fn refund<'a>(&'a self, _: &'a str, _: &'a str, _: Fen) -> BoxFuture<'a, Result<String>> {
        Box::pin(async { Err(Error::Internal("no refund".to_owned())) })
    }
    fn verify(&self, _: &str, _: &str, _: &[u8]) -> Option<Callback> {
        None
    }
}

/// A server whose channel takes so long.
fn slow_shop(store: &store::Store, took_ms: i64) -> Shop {
    let clock = Arc::new(SimClock::new(support::NOW));
    let ports = Ports {
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
        channel: Arc::new(Slow(clock.clone(), took_ms)),
        messenger: Arc::new(SandboxMessenger::new(store.clone(), clock)),
    };
    Shop::new(store.clone(), ports, Settings::default())
}

/// Changes the books by hand.
async fn meddle(world: &World, sql: &'static str) {
    let work = world.shop.store().write(Lane::Background, sql, |conn, sql| {
        Box::pin(async move { Ok::<u64, Error>(conn.exec(*sql, store::vals![]).await?) })
    });
    assert!(work.await.expect("meddled") > 0, "{sql}");
}

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

    async fn a_hold_that_cannot_be_ended_keeps_no_other(store: TestStore) {
        let world = World::open(&store).await;
        for (n, sku) in [(1, "MILK"), (2, "SIXTY")] {
            let visit = world.member(n).await;
            world.order(&visit, &[(sku, 1)]).await;
            world.clock.advance(SECOND_MS);
        }
        world.settle().await;
        // The books of the first one's goods are broken: what it holds cannot be given back.
        meddle(&world, "UPDATE stock SET reserved = 0 WHERE pool_id IN (SELECT pool_id FROM sku WHERE code = 'MILK')").await;
        world.clock.advance(16 * MINUTE_MS);
        assert_eq!(world.shop.expire_holds(world.shop.now()).await.expect("a job"), 1);
        assert_eq!(world.level("SIXTY").await, (100, 0));
        meddle(&world, "UPDATE stock SET reserved = 1 WHERE pool_id IN (SELECT pool_id FROM sku WHERE code = 'MILK')").await;
        assert_eq!(world.shop.expire_holds(world.shop.now()).await.expect("a job"), 1);
        world.check().await;
    }

    async fn a_task_that_nobody_worked_on_loses_no_try(store: TestStore) {
        let world = World::open(&store).await;
        for n in 1..=3 {
            let visit = world.member(n).await;
            let placed = world.order(&visit, &[("MILK", 1)]).await;
            world.shop.cancel(&visit, &placed.code).await.expect("called off: its payment is to be closed");
        }
        meddle(&world, "UPDATE outbox SET state = 'waiting', tries = 0, due_at = 0").await;
        let slow = slow_shop(&store, 40 * SECOND_MS);
        let now: Millis = slow.now();
        assert_eq!(slow.run_outbox(now).await.expect("a job"), 3);
        assert_eq!(world.number("SELECT COUNT(*) FROM outbox WHERE state = 'done'").await, 1);
        assert_eq!(world.number("SELECT COUNT(*) FROM outbox WHERE state = 'waiting' AND tries = 0").await, 2);
        assert_eq!(world.shop.run_outbox(now).await.expect("a job"), 2, "another server may have them at once");
    }

    async fn a_refund_that_hangs_is_made_in_the_end(store: TestStore) {
        let world = World::open(&store).await;
        let visit = world.member(1).await;
        let placed = world.paid_order(&visit, &[("MILK", 1)]).await;
        // The channel has lost the trade, and finds it again after more than half a day.
        meddle(&world, "UPDATE sandbox_trade SET trade_no = 'x' || trade_no").await;
        world.shop.cancel(&world.now(&visit), &placed.code).await.expect("called off");
        for _ in 0..15 {
            world.shop.run_due(world.shop.now()).await;
            world.clock.advance(HOUR_MS);
        }
        assert_eq!(world.view(&visit, &placed).await.refunds[0].state, "failed");
        assert_eq!(world.number("SELECT COUNT(*) FROM outbox WHERE kind = 'refund' AND state = 'waiting'").await, 1);
        meddle(&world, "UPDATE sandbox_trade SET trade_no = SUBSTR(trade_no, 2)").await;
        world.settle().await;
        assert_eq!(world.view(&visit, &placed).await.refunds[0].state, "done");
        world.check().await;
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
