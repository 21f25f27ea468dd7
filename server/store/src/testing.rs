//! A fresh, migrated store for a test: SQLite in a temporary folder, and a
//! schema of its own on the PostgreSQL that `ZAIJIA_TEST_POSTGRES` names.

use crate::{Store, StoreConfig};
use std::collections::BTreeSet;
use std::ops::Deref;

/// A store that lives as long as the test.
#[derive(Debug)]
pub struct TestStore {
    store: Store,
    /// Where the SQLite file is, or the PostgreSQL URL with its schema.
    pub config: StoreConfig,
    _folder: Option<tempfile::TempDir>,
}

impl Deref for TestStore {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

/// A fresh SQLite store.
///
/// # Panics
/// If it cannot be made.
pub async fn sqlite() -> TestStore {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = StoreConfig::new(format!("sqlite://{}/shop.sqlite", folder.path().display()));
    let store = Store::open(&config).await.expect("an SQLite file");
    store.migrate().await.expect("migrations");
    TestStore { store, config, _folder: Some(folder) }
}

/// A fresh schema on PostgreSQL; `None`, said aloud, where no server is given.
///
/// # Panics
/// If the server is given and cannot be used.
pub async fn postgres() -> Option<TestStore> {
    let Ok(url) = std::env::var("ZAIJIA_TEST_POSTGRES") else {
        eprintln!("ZAIJIA_TEST_POSTGRES is not set: not run on PostgreSQL (cargo xtask test sets it)");
        return None;
    };
    let schema = format!("t_{}", uuid::Uuid::now_v7().simple());
    let admin = sqlx::PgPool::connect(&url).await.expect("the PostgreSQL of ZAIJIA_TEST_POSTGRES");
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::raw_sql(create).execute(&admin).await.expect("a schema");
    admin.close().await;
    let mut config = StoreConfig::new(url);
    config.schema = Some(schema);
    config.read_connections = 4;
    let store = Store::open(&config).await.expect("PostgreSQL");
    store.migrate().await.expect("migrations");
    Some(TestStore { store, config, _folder: None })
}

impl Store {
    /// Keeps what is run from now on, each statement once, for [`kept_plans`](Self::kept_plans).
    ///
    /// # Panics
    /// If another test panicked meanwhile.
    pub fn keep_statements(&self) {
        *self.statements.texts.lock().expect("whole") = Some(BTreeSet::new());
    }

    /// How SQLite runs the statements that were kept: each with the steps of its plan.
    ///
    /// # Panics
    /// If a statement has no plan.
    pub async fn kept_plans(&self) -> Vec<(String, Vec<String>)> {
        let kept = self.statements.texts.lock().expect("whole").take().unwrap_or_default();
        let mut conn = self.read().await.expect("a connection");
        let mut plans = Vec::new();
        for sql in kept.into_iter().filter(|sql| !sql.starts_with("PRAGMA")) {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let steps: Vec<(i64, i64, i64, String)> = conn.all(explain, &[]).await.expect("a plan");
            plans.push((sql, steps.into_iter().map(|step| step.3).collect()));
        }
        plans
    }
}

/// Writes a test once and runs it on both databases:
/// `on_both! { async fn stock_never_passes_zero(store: TestStore) { … } }`.
/// Attributes such as `#[ignore = "why"]` are those of the two tests.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident: TestStore) $body:block)*) => {$(
        async fn $name($store: $crate::testing::TestStore) $body

        mod $name {
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::testing::sqlite().await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(store) = $crate::testing::postgres().await {
                    super::$name(store).await;
                }
            }
        }
    )*};
}
