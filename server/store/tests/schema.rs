//! The two databases have the same tables with the same columns; how a schema stands
//! to the program is told without a change.

use std::collections::BTreeSet;
use store::{Lane, Schema, Store, StoreConfig};

type Column = (String, String, bool);

/// What the databases keep for themselves, and full-text search, which they do differently.
fn is_ours(table: &str) -> bool {
    !table.starts_with("sqlite_") && !table.starts_with("_sqlx") && !table.starts_with("sku_search")
}

async fn columns(store: &Store, sql: &'static str) -> BTreeSet<Column> {
    let mut conn = store.read().await.expect("a connection");
    let rows: Vec<(String, String, bool)> = conn.all(sql, &[]).await.expect("the schema");
    rows.into_iter().filter(|(table, _, _)| is_ours(table)).collect()
}

#[tokio::test]
async fn both_databases_have_the_same_columns() {
    let Some(postgres) = store::testing::postgres().await else { return };
    let sqlite = store::testing::sqlite().await;
    let there = columns(
        &sqlite,
        "SELECT m.name, p.name || ' ' || replace(lower(p.type), 'integer', 'bigint'), p.\"notnull\" = 1
         FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'",
    )
    .await;
    let here = columns(
        &postgres,
        "SELECT CAST(table_name AS TEXT), column_name || ' ' || data_type, is_nullable = 'NO'
         FROM information_schema.columns WHERE table_schema = current_schema()",
    )
    .await;
    assert!(there.len() > 200, "the schema was read");
    assert_eq!(there.difference(&here).collect::<Vec<_>>(), Vec::<&Column>::new(), "only in SQLite");
    assert_eq!(here.difference(&there).collect::<Vec<_>>(), Vec::<&Column>::new(), "only in PostgreSQL");
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |folder: &str| -> BTreeSet<String> {
        let path = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_dir(path)
            .expect("the folder")
            .map(|f| f.expect("a file").file_name().into_string().expect("utf-8"))
            .collect()
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

async fn change(store: &Store, sql: &'static str) {
    let work = store.write(Lane::Background, (), move |conn, ()| Box::pin(async move { conn.exec(sql, &[]).await }));
    work.await.expect("changed");
}

store::on_both! {
    async fn a_schema_is_as_old_as_its_newest_migration(store: TestStore) {
        let stands = async || Store::schema(&store.config).await.expect("a look");
        assert_eq!(stands().await, Schema::Current);
        change(&store, "UPDATE _sqlx_migrations SET version = version + 1000
                        WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)").await;
        assert_eq!(stands().await, Schema::Newer);
        change(&store, "DELETE FROM _sqlx_migrations WHERE version > 1000").await;
        assert_eq!(stands().await, Schema::Older);
        change(&store, "ALTER TABLE _sqlx_migrations RENAME TO other").await;
        assert_eq!(stands().await, Schema::Missing);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shop.sqlite");
    let config = StoreConfig::new(format!("sqlite://{}", file.display()));
    assert_eq!(Store::schema(&config).await.expect("a look"), Schema::Missing);
    assert!(!file.exists());
    // Nor is an empty one taken for a shop, or written to.
    std::fs::write(&file, "").expect("a file");
    assert_eq!(Store::schema(&config).await.expect("a look"), Schema::Missing);
    assert_eq!(std::fs::metadata(&file).expect("the file").len(), 0);
}
