//! The two databases have the same tables with the same columns.

use std::collections::BTreeSet;
use store::Store;

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
