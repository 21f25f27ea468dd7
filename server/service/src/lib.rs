//! The use cases of the shop, and the ports to the world outside.
//!
//! A use case is a method of [`Shop`]. It owns its transaction: what it writes
//! goes through the store's writer as one unit; shared steps take the
//! transaction and end in `_in_tx`. One file an area.

pub mod basket;
pub mod calendar;
pub mod catalogue;
pub mod check;
pub mod checkout;
pub mod coupons;
mod error;
pub mod feed;
pub mod import;
pub mod jobs;
mod local;
pub mod looks;
pub mod members;
pub mod messages;
pub mod offers;
pub mod orders;
pub mod payments;
pub mod ports;
mod quote;
pub mod sandbox;
pub mod stock;

pub use error::{Error, Result};
pub use ports::{Clock, Ports};

use domain::Millis;
use domain::ids::{BasketId, MemberId, StoreId};
use domain::view::Lang;
use std::sync::Arc;
use store::Store;

/// The shop: its database, its ports, its caches. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shop {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    ports: Ports,
    settings: Settings,
    catalogue: catalogue::Cache,
    /// Told when the outbox shall not wait for its next turn.
    outbox: tokio::sync::Notify,
}

/// Settings of the shop as a business; each has a sound default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long an unpaid order holds its goods, in milliseconds.
    pub hold_ms: i64,
    /// Where the shop is reached from outside, without a slash at the end.
    pub public_url: String,
    /// The sandbox payment channel and its message page are served.
    pub sandbox: bool,
    /// Key that signs the sandbox channel's callbacks; random for each installation.
    pub sandbox_key: Vec<u8>,
    /// How far ahead delivery slots are opened, in days.
    pub slot_days: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hold_ms: 15 * domain::time::MINUTE_MS,
            public_url: "http://127.0.0.1:3000".to_owned(),
            sandbox: true,
            sandbox_key: Vec::new(),
            slot_days: 3,
        }
    }
}

/// Who looks, where and when: what every use case of a shopper is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The chosen store.
    pub store: StoreId,
    /// The reader's language.
    pub lang: Lang,
    /// Who is signed in, if anybody.
    pub member: Option<MemberId>,
    /// The member's basket (its id is the member's) or the guest's.
    pub basket: BasketId,
    /// The server's time.
    pub now: Millis,
}

impl Visit {
    /// The member who is signed in.
    ///
    /// # Errors
    /// `sign_in_first` for a guest.
    pub fn member(&self) -> Result<&MemberId> {
        self.member.as_ref().ok_or_else(|| domain::Code::SignInFirst.into())
    }
}

impl Shop {
    /// A shop over an open, migrated store.
    pub fn new(store: Store, ports: Ports, settings: Settings) -> Self {
        let catalogue = catalogue::Cache::new(&store);
        Self { inner: Arc::new(Inner { store, ports, settings, catalogue, outbox: tokio::sync::Notify::new() }) }
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The ports.
    pub fn ports(&self) -> &Ports {
        &self.inner.ports
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The server's time.
    pub fn now(&self) -> Millis {
        self.inner.ports.clock.now()
    }
}
