//! One-time codes: written with the commit, sent by the outbox, cleared once sent.

#[path = "support/sale.rs"]
mod sale;
mod support;

use domain::Code;
use domain::ids::MemberId;
use domain::time::{DAY_MS, MINUTE_MS, SECOND_MS};
use futures::future::BoxFuture;
use sale::{code_of, shop_with};
use service::members::Asker;
use service::ports::{Messenger, SimClock};
use service::{Error, Result, Shop};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::NOW;

const PHONE: &str = "13812341234";
/// The phone's owner, at home.
const OWNER: Asker<'static> = Asker { name: "owner", session: "session", address: "10.0.0.1" };
/// Somebody else, anywhere.
const STRANGER: Asker<'static> = Asker { name: "stranger", session: "other", address: "192.0.2.1" };

/// Keeps what it is told to send; may be out of order.
#[derive(Debug, Default)]
struct Postbox {
    sent: Mutex<Vec<(String, String)>>,
    down: AtomicBool,
}

impl Messenger for Postbox {
    fn sign_in_code<'a>(&'a self, phone: &'a str, code: &'a str) -> BoxFuture<'a, Result<()>> {
        let sent = if self.down.load(Ordering::SeqCst) {
            Err(Error::Internal("the messenger is down".to_owned()))
        } else {
            self.sent.lock().expect("no panic").push((phone.to_owned(), code.to_owned()));
            Ok(())
        };
        Box::pin(async { sent })
    }
}

struct World {
    shop: Shop,
    clock: Arc<SimClock>,
    post: Arc<Postbox>,
}

impl World {
    fn open(store: &store::Store) -> Self {
        let (clock, post) = (Arc::new(SimClock::new(NOW)), Arc::new(Postbox::default()));
        Self { shop: shop_with(store, clock.clone(), post.clone()), clock, post }
    }

    async fn ask(&self) {
        self.shop.request_code(PHONE, &OWNER, self.shop.now()).await.expect("asked");
    }

    /// Asks for a code; its digits.
    async fn code_for(&self, asker: &Asker<'_>) -> String {
        self.shop.request_code(PHONE, asker, self.shop.now()).await.expect("asked");
        self.run().await;
        self.sent().pop().expect("sent").1
    }

    async fn enter(&self, code: &str, asker: &Asker<'_>) -> Result<MemberId> {
        self.shop.sign_in(PHONE, code, asker, self.shop.now()).await
    }

    async fn run(&self) -> usize {
        self.shop.run_outbox(self.shop.now()).await.expect("the outbox")
    }

    fn sent(&self) -> Vec<(String, String)> {
        self.post.sent.lock().expect("no panic").clone()
    }

    async fn number(&self, sql: &'static str) -> i64 {
        self.shop.store().read().await.expect("reads").int(sql, &[]).await.expect("a number")
    }
}

const SECRETS: &str = "SELECT COUNT(*) FROM outbox WHERE payload <> ''";
const WAITING: &str = "SELECT COUNT(*) FROM outbox WHERE state = 'waiting'";

store::on_both! {
    async fn a_code_goes_out_after_the_commit_and_leaves_no_trace(store: TestStore) {
        let world = World::open(&store);
        world.ask().await;
        assert!(world.sent().is_empty(), "nothing outside is told inside the request");
        assert_eq!((world.number(WAITING).await, world.number(SECRETS).await), (1, 1));
        // The worker hears of it at once.
        let woken = tokio::time::timeout(Duration::from_secs(1), world.shop.outbox_woken()).await;
        assert!(woken.is_ok(), "the outbox was not woken");
        assert_eq!(world.run().await, 1);
        let sent = world.sent();
        assert_eq!((sent.len(), sent[0].0.as_str(), sent[0].1.len()), (1, PHONE, 6));
        assert_eq!((world.number(WAITING).await, world.number(SECRETS).await), (0, 0));
        assert_eq!(world.run().await, 0);
        let known = world.enter(&sent[0].1, &OWNER).await.expect("signed in");
        assert_eq!(code_of(world.enter(&sent[0].1, &OWNER).await), Code::BadCode);
        assert!(!known.as_str().is_empty());
    }

    async fn a_messenger_that_is_down_is_tried_again(store: TestStore) {
        let world = World::open(&store);
        world.post.down.store(true, Ordering::SeqCst);
        world.ask().await;
        assert_eq!(world.run().await, 1);
        assert_eq!((world.sent().len(), world.number(WAITING).await), (0, 1));
        world.post.down.store(false, Ordering::SeqCst);
        world.clock.advance(2 * SECOND_MS);
        assert_eq!(world.run().await, 1);
        assert_eq!((world.sent().len(), world.number(SECRETS).await), (1, 0));
    }

    async fn a_code_that_was_followed_by_another_is_not_sent(store: TestStore) {
        let world = World::open(&store);
        world.post.down.store(true, Ordering::SeqCst);
        world.ask().await;
        world.run().await;
        world.clock.advance(MINUTE_MS);
        world.ask().await;
        world.post.down.store(false, Ordering::SeqCst);
        assert_eq!(world.run().await, 2);
        let sent = world.sent();
        assert_eq!((sent.len(), world.number(SECRETS).await), (1, 0));
        world.enter(&sent[0].1, &OWNER).await.expect("the later code");
    }

    async fn a_code_that_ran_out_is_cleared_unsent(store: TestStore) {
        let world = World::open(&store);
        world.post.down.store(true, Ordering::SeqCst);
        world.ask().await;
        for _ in 0..20 {
            world.run().await;
            world.clock.advance(MINUTE_MS);
        }
        assert!(world.sent().is_empty());
        assert_eq!((world.number(WAITING).await, world.number(SECRETS).await), (0, 0));
        assert_eq!(world.number("SELECT COUNT(*) FROM outbox WHERE state = 'dead'").await, 0);
    }

    async fn a_stranger_takes_no_code_away_from_its_owner(store: TestStore) {
        let world = World::open(&store);
        let code = world.code_for(&OWNER).await;
        let wrong = if code == "000000" { "111111" } else { "000000" };
        // Guessing without a code of one's own counts against nobody's phone and nobody's code.
        for no in 0..40 {
            let name = format!("stranger {no}");
            assert_eq!(code_of(world.enter(wrong, &Asker { name: &name, ..Asker::default() }).await), Code::BadCode);
        }
        assert_eq!(code_of(world.enter(&code, &STRANGER).await), Code::BadCode, "it is good where it was asked for");
        // Nor does asking for one, and spending its tries.
        world.clock.advance(MINUTE_MS);
        let other = world.code_for(&STRANGER).await;
        let wrong = if other == "000000" { "111111" } else { "000000" };
        for _ in 0..5 {
            assert_eq!(code_of(world.enter(wrong, &STRANGER).await), Code::BadCode);
        }
        assert_eq!(code_of(world.enter(&other, &STRANGER).await), Code::BadCode, "its five tries are spent");
        let held = world.shop.has_code(PHONE, OWNER.name, world.shop.now()).await.expect("reads");
        let spent = world.shop.has_code(PHONE, STRANGER.name, world.shop.now()).await.expect("reads");
        assert!(held && !spent);
        world.enter(&code, &OWNER).await.expect("signed in");
    }

    async fn tries_are_counted_by_session(store: TestStore) {
        let world = World::open(&store);
        for _ in 0..30 {
            assert_eq!(code_of(world.enter("000000", &STRANGER).await), Code::BadCode);
        }
        assert_eq!(code_of(world.enter("000000", &STRANGER).await), Code::TooMany);
        assert_eq!(code_of(world.enter("000000", &OWNER).await), Code::BadCode, "of another session");
    }

    async fn what_ends_in_a_sign_in_counts_against_no_address(store: TestStore) {
        const COUNT: &str = "SELECT CAST(SUM(count) AS BIGINT) FROM rate WHERE subject = '10.0.0.1'";
        let world = World::open(&store);
        for no in 1..=3 {
            let code = world.code_for(&OWNER).await;
            world.enter(&code, &OWNER).await.expect("signed in");
            assert_eq!(world.number(COUNT).await, 0, "sign-in {no}");
            world.clock.advance(MINUTE_MS);
        }
        world.ask().await;
        assert_eq!(world.number(COUNT).await, 1);
    }

    async fn codes_and_counters_of_yesterday_are_removed_however_many(store: TestStore) {
        let world = World::open(&store);
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
                   INSERT INTO rate (scope, subject, starts_at, count) SELECT 'test', 's' || i, $1, 1 FROM n";
        let work = world.shop.store().write(store::Lane::Background, world.shop.now(), move |conn, now| {
            Box::pin(async move { Ok::<u64, Error>(conn.exec(sql, store::vals![*now]).await?) })
        });
        assert_eq!(work.await.expect("written"), 2_500);
        world.ask().await;
        world.clock.advance(DAY_MS);
        assert_eq!(world.shop.tidy_members(world.shop.now()).await.expect("tidied"), 2_505);
        assert_eq!(world.number("SELECT COUNT(*) FROM rate").await, 0);
        assert_eq!(world.number("SELECT COUNT(*) FROM sign_in_code").await, 0);
    }

    async fn the_sandbox_shows_what_was_delivered_while_it_can_be_used(store: TestStore) {
        let world = sale::World::open(&store).await;
        let now = world.shop.now();
        assert_eq!(world.shop.sandbox_code(PHONE, now).await.expect("reads"), None);
        world.shop.request_code(PHONE, &OWNER, now).await.expect("asked");
        let code = world.shop.sandbox_code(PHONE, now).await.expect("reads").expect("a code, at once");
        assert_eq!(world.shop.sandbox_code("13812341235", now).await.expect("reads"), None);
        world.shop.sign_in(PHONE, &code, &OWNER, now).await.expect("signed in");
        assert_eq!(world.shop.sandbox_code(PHONE, now).await.expect("reads"), None, "it was used");
        assert_eq!(world.number(SECRETS).await, 0);
    }
}
