//! One-time codes: written with the commit, sent by the outbox, cleared once sent.

#[path = "support/sale.rs"]
mod sale;
mod support;

use domain::Code;
use domain::time::{MINUTE_MS, SECOND_MS};
use futures::future::BoxFuture;
use sale::{code_of, shop_with};
use service::ports::{Messenger, SimClock};
use service::{Error, Result, Shop};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::NOW;

const PHONE: &str = "13812341234";

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
        self.shop.request_code(PHONE, "session", "10.0.0.1", self.shop.now()).await.expect("asked");
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
        let known = world.shop.sign_in(PHONE, &sent[0].1, world.shop.now()).await.expect("signed in");
        assert_eq!(code_of(world.shop.sign_in(PHONE, &sent[0].1, world.shop.now()).await), Code::BadCode);
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
        world.shop.sign_in(PHONE, &sent[0].1, world.shop.now()).await.expect("the later code");
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

    async fn the_sandbox_shows_what_was_delivered_while_it_can_be_used(store: TestStore) {
        let world = sale::World::open(&store).await;
        let now = world.shop.now();
        assert_eq!(world.shop.sandbox_code(PHONE, now).await.expect("reads"), None);
        world.shop.request_code(PHONE, "", "", now).await.expect("asked");
        let code = world.shop.sandbox_code(PHONE, now).await.expect("reads").expect("a code, at once");
        assert_eq!(world.shop.sandbox_code("13812341235", now).await.expect("reads"), None);
        world.shop.sign_in(PHONE, &code, now).await.expect("signed in");
        assert_eq!(world.shop.sandbox_code(PHONE, now).await.expect("reads"), None, "it was used");
        assert_eq!(world.number(SECRETS).await, 0);
    }
}
