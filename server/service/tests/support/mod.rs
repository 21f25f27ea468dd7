//! A shop over a fresh store, with a clock that the test moves.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use domain::ids::{BasketId, MemberId, StoreId};
use domain::view::Lang;
use domain::{Fen, Millis};
use futures::future::BoxFuture;
use service::import::{ImportOptions, ImportReport};
use service::ports::{Callback, Channel, Paid, Ports, SimClock, SystemRandom};
use service::sandbox::SandboxMessenger;
use service::{Error, Result, Settings, Shop, Visit};
use std::sync::Arc;

/// 2026-11-22 10:00 in Shanghai.
pub const NOW: Millis = Millis(1_795_312_800_000);

/// A channel that these tests never come to.
#[derive(Debug)]
struct NoChannel;

impl Channel for NoChannel {
    fn name(&self) -> &'static str {
        "none"
    }
    fn open<'a>(&'a self, _: &'a str, _: Fen, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<String>> {
        Box::pin(async { Err(Error::Internal("no channel".to_owned())) })
    }
    fn close<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Err(Error::Internal("no channel".to_owned())) })
    }
    fn query<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Paid>> {
        Box::pin(async { Err(Error::Internal("no channel".to_owned())) })
    }
    fn refund<'a>(&'a self, _: &'a str, _: &'a str, _: Fen) -> BoxFuture<'a, Result<String>> {
        Box::pin(async { Err(Error::Internal("no channel".to_owned())) })
    }
    fn verify(&self, _: &str, _: &str, _: &[u8]) -> Option<Callback> {
        None
    }
}

/// A shop over the store, and its clock.
pub fn shop(store: &store::Store) -> (Shop, Arc<SimClock>) {
    let clock = Arc::new(SimClock::new(NOW));
    let ports = Ports {
        clock: clock.clone(),
        random: Arc::new(SystemRandom),
        channel: Arc::new(NoChannel),
        messenger: Arc::new(SandboxMessenger::new(store.clone(), clock.clone())),
    };
    (Shop::new(store.clone(), ports, Settings::default()), clock)
}

/// Imports files given as (name, text).
pub async fn import(shop: &Shop, files: &[(&str, &str)]) -> ImportReport {
    import_with(shop, files, ImportOptions::default()).await
}

/// The same, with options.
pub async fn import_with(shop: &Shop, files: &[(&str, &str)], options: ImportOptions) -> ImportReport {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    shop.import_dir(folder.path(), options, &|_| ()).await.expect("an import")
}

/// A guest who looks at the default store.
pub async fn guest(shop: &Shop, lang: Lang) -> Visit {
    let store = shop.default_store().await.expect("a store");
    visit(store, lang, None, shop.now())
}

/// Somebody who looks at a store.
pub fn visit(store: StoreId, lang: Lang, member: Option<MemberId>, now: Millis) -> Visit {
    let basket = member.as_ref().map_or_else(|| BasketId::trusted("guest"), |m| BasketId::trusted(m.as_str()));
    Visit { store, lang, member, basket, now }
}
