//! A demo shop in a temporary folder for targets that need one, with a clock
//! that stands. It is made with the first input and used for all that follow.

use domain::{Code, Millis};
use service::import::{BadRow, ImportOptions, ImportReport};
use service::ports::{Ports, Random, SimClock};
use service::sandbox::{SandboxChannel, SandboxMessenger};
use service::{Settings, Shop};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::testing::TestStore;
use tokio::runtime::Runtime;

/// 2026-11-22 10:00 in Shanghai.
pub const NOW: Millis = Millis(1_795_312_800_000);
/// Signs the channel's callbacks.
pub const KEY: &[u8] = b"the fuzz targets' own key";

/// Numbers that are the same each time.
#[derive(Debug, Default)]
struct Counted(AtomicU64);

impl Random for Counted {
    fn bits(&self) -> u64 {
        // Splitmix: neighbours look unlike each other, as codes must.
        let n = self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        n ^ (n >> 31)
    }
}

/// A shop with goods in it.
#[derive(Debug)]
pub struct World {
    /// Runs what is sent.
    pub runtime: Runtime,
    /// The shop.
    pub shop: Shop,
    /// Its database.
    pub store: TestStore,
}

impl World {
    /// A demo shop.
    pub fn new() -> Self {
        Self::of(store::testing::sqlite, demo)
    }

    /// A demo shop on the PostgreSQL that `ZAIJIA_TEST_POSTGRES` names; on SQLite where none is named.
    pub fn on_postgres() -> Self {
        let open = async || match store::testing::postgres().await {
            Some(store) => store,
            None => store::testing::sqlite().await,
        };
        Self::of(open, demo)
    }

    /// A shop of these files.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let files = async |shop: &Shop| shop.import_dir(folder.path(), ImportOptions::default(), &|_| ()).await;
        Self::of(store::testing::sqlite, files)
    }

    fn of(
        open: impl AsyncFnOnce() -> TestStore,
        import: impl AsyncFnOnce(&Shop) -> service::Result<ImportReport>,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (store, shop) = runtime.block_on(async {
            let store = open().await;
            let shop = shop(&store);
            let report = import(&shop).await.expect("the files are read");
            assert_eq!(report.bad().collect::<Vec<_>>(), Vec::<&BadRow>::new());
            (store, shop)
        });
        Self { runtime, shop, store }
    }

    /// Nothing in the books is wrong.
    ///
    /// # Panics
    /// If something is.
    pub fn check(&self) {
        let findings = self.run(async || self.shop.check().await).expect("a check");
        assert!(findings.is_empty(), "{findings:#?}");
    }

    /// The answer of a query for one number.
    ///
    /// # Panics
    /// If it cannot be asked.
    pub fn number(&self, sql: &'static str) -> i64 {
        let read = async || Ok(self.shop.store().read().await?.int(sql, &[]).await?);
        self.run(read).expect("a number")
    }

    /// Runs it; again, if a machine that is busy with other things kept it waiting.
    pub fn run<T>(&self, work: impl AsyncFn() -> service::Result<T>) -> service::Result<T> {
        let mut answer = self.runtime.block_on(work());
        for _ in 0..10 {
            if !answer.as_ref().is_err_and(is_late) {
                break;
            }
            answer = self.runtime.block_on(work());
        }
        answer
    }
}

/// Nothing is wrong but that it took too long.
pub fn is_late(error: &service::Error) -> bool {
    matches!(error.user().code, Code::Busy | Code::Unavailable)
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

async fn demo(shop: &Shop) -> service::Result<ImportReport> {
    shop.import_demo(ImportOptions::default(), &|_| ()).await
}

fn shop(store: &store::Store) -> Shop {
    let clock = Arc::new(SimClock::new(NOW));
    let ports = Ports {
        clock: clock.clone(),
        random: Arc::new(Counted::default()),
        channel: Arc::new(SandboxChannel::new(store.clone(), KEY, clock.clone())),
        messenger: Arc::new(SandboxMessenger::new(store.clone(), clock)),
    };
    let settings = Settings { public_url: String::new(), sandbox_key: KEY.to_vec(), ..Settings::default() };
    Shop::new(store.clone(), ports, settings)
}

/// What a target keeps between inputs; made anew after so many, so that what
/// they wrote does not slow the later ones.
#[derive(Debug)]
pub struct Kept<T> {
    inner: RefCell<Option<(Rc<T>, u32)>>,
    uses: u32,
}

impl<T> Kept<T> {
    /// Kept for `uses` inputs.
    pub const fn for_inputs(uses: u32) -> Self {
        Self { inner: RefCell::new(None), uses }
    }

    /// What is kept, made by `make` where there is none.
    pub fn get(&self, make: impl FnOnce() -> T) -> Rc<T> {
        let mut inner = self.inner.borrow_mut();
        match &mut *inner {
            Some((kept, left)) if *left > 0 => {
                *left -= 1;
                Rc::clone(kept)
            }
            other => {
                // The old one goes first: two would need twice the room.
                *other = None;
                let kept = Rc::new(make());
                *other = Some((Rc::clone(&kept), self.uses));
                kept
            }
        }
    }
}
