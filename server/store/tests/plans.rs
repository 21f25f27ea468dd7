//! The statements that pages wait for read no table whole, on either database,
//! and a list of many goods begins as the whole list does.

use domain::ids::{CategoryId, MemberId, PoolId, SkuId, StoreId};
use domain::view::Sort;
use domain::{Base, Fen, Millis};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use store::catalogue::{Filter, SkuRecord};
use store::conn::Kind;
use store::lists::{Statement, statements};
use store::tokens::{self, Naming};
use store::{Conn, Lane, Val, vals};

/// Tables that grow with the catalogue or with sales.
const BIG: [&str; 7] = ["sku", "stock", "sale_day", "movement", "orders", "order_line", "sku_search"];
/// Indexes that PostgreSQL may walk along from an end, each with the reason: what wants the
/// first few in that order stops by a LIMIT.
const WALKS: &[(&str, &str)] = &[];

fn category(code: &str) -> CategoryId {
    CategoryId::trusted(code)
}

fn filters() -> Vec<(&'static str, Filter)> {
    let dairy = || Some(vec![category("milk"), category("dairy")]);
    let among = || Some((vec![SkuId::trusted("k1"), SkuId::trusted("k2")], vec![category("dairy")]));
    let terms = || tokens::query("milk", false);
    let plain = Filter::default;
    vec![
        ("all goods", plain()),
        ("a category", Filter { categories: dairy(), ..plain() }),
        ("a category in stock", Filter { categories: dairy(), in_stock: true, sort: Sort::Sales, ..plain() }),
        ("a category by price", Filter { categories: dairy(), sort: Sort::PriceUp, ..plain() }),
        ("deals", Filter { among: among(), in_stock: true, ..plain() }),
        ("deals of goods", Filter { among: Some((vec![SkuId::trusted("k1")], vec![])), ..plain() }),
        ("deals of a category", Filter { among: among(), categories: dairy(), ..plain() }),
        ("a search", Filter { terms: terms(), ..plain() }),
        ("a search by price", Filter { terms: terms(), sort: Sort::UnitPrice, ..plain() }),
        ("a search in a category", Filter { terms: terms(), categories: dairy(), in_stock: true, ..plain() }),
        (
            "a search with filters",
            Filter {
                terms: tokens::query("niun fresh", false),
                phrase: tokens::phrase("纯牛奶 fresh 蒙牛纯"),
                brand: Some("蒙牛".to_owned()),
                diet: Some("vegan".to_owned()),
                without: Some("egg".to_owned()),
                ..plain()
            },
        ),
    ]
}

/// The lines of a plan that read a big table whole.
async fn scans(conn: &mut Conn, statement: &Statement<'_>) -> Vec<String> {
    match conn.kind() {
        Kind::Sqlite => {
            let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
            let plan: Vec<(i64, i64, i64, String)> =
                conn.all(AssertSqlSafe(sql), &statement.vals).await.expect("a plan");
            plan.into_iter().map(|(_, _, _, line)| line).filter(|line| is_scan(line, &statement.sql)).collect()
        }
        Kind::Postgres => {
            let sql = format!("EXPLAIN {}", statement.sql);
            let plan: Vec<(String,)> = conn.all(AssertSqlSafe(sql), &statement.vals).await.expect("a plan");
            let details = plan.iter().skip(1).map(|(line,)| line.as_str()).chain([""]);
            let steps = plan.iter().map(|(line,)| line).zip(details);
            steps.filter(|(step, detail)| is_walk(step, detail)).map(|(step, _)| step.clone()).collect()
        }
    }
}

/// `Seq Scan on sku k`: of a big table; or `Index Scan using x on sku k` without an `Index Cond`
/// in the line after it, which reads all of an index.
fn is_walk(step: &str, detail: &str) -> bool {
    let big = BIG.iter().any(|table| step.contains(&format!(" on {table} ")));
    let by_index = step.contains("Index Scan ") || step.contains("Index Only Scan ");
    let meant = WALKS.iter().any(|(index, _)| step.contains(&format!(" using {index} on ")));
    big && (step.contains("Seq Scan ") || (by_index && !meant && !detail.contains("Index Cond: ")))
}

/// `SCAN s`: of a big table under its own name or its alias. The search index
/// is scanned only with a query (`M`) or a row number (`=`).
fn is_scan(line: &str, sql: &str) -> bool {
    let Some(name) = line.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next()) else { return false };
    let big = BIG
        .iter()
        .any(|table| name == *table || [" ", "\n"].iter().any(|end| sql.contains(&format!(" {table} {name}{end}"))));
    let virtual_rows = line.contains("VIRTUAL TABLE INDEX 0:M") || line.contains("VIRTUAL TABLE INDEX 0:=");
    big && !virtual_rows
}

fn sku(n: i64) -> SkuRecord {
    let milk = n % 3 != 0;
    SkuRecord {
        id: SkuId::trusted(format!("k{n}")),
        num: n,
        code: format!("K{n:03}"),
        product: format!("K{n:03}"),
        name_zh: if milk { "纯牛奶" } else { "苹果" }.to_owned(),
        name_en: if milk { "Fresh milk" } else { "Apple" }.to_owned(),
        brand_zh: "蒙牛".to_owned(),
        category: category(if n % 2 == 0 { "dairy" } else { "fruit" }),
        pool: PoolId::trusted(format!("p{n:03}")),
        pack_size: Base(1),
        price: Fen(100 + n * 7 % 50),
        diet: vec!["vegan".to_owned()],
        active: n % 10 != 0,
        ..SkuRecord::default()
    }
}

async fn fill(store: &store::Store) {
    let skus: Vec<(SkuRecord, String)> = (1..=60).map(|n| (sku(n), String::new())).collect();
    let done: store::Result<()> = store
        .write(Lane::Background, skus, |conn, skus: &Vec<(SkuRecord, String)>| {
            Box::pin(async move {
                store::goods::put_skus(conn, skus, Millis(1)).await?;
                let tokens = |sku: &SkuRecord| {
                    let names = vec![sku.name_zh.as_str(), sku.name_en.as_str()];
                    (
                        sku.num,
                        tokens::index(&Naming {
                            names,
                            words: vec!["goods"],
                            categories: vec!["goods"],
                            codes: vec![&sku.code],
                        }),
                    )
                };
                let rows: Vec<_> = skus.iter().map(|(sku, _)| tokens(sku)).collect();
                store::dialect::index_skus(conn, &rows, &[]).await?;
                for (sku, _) in skus {
                    let (on_hand, sales) = (sku.num % 5, sku.num * 13 % 17);
                    let sql = "INSERT INTO stock (store_id, pool_id, on_hand, reserved, safety, as_of, source, sales)
                        VALUES ('main', $1, $2, 0, 0, 1, 'snapshot', $3)";
                    conn.exec(sql, vals![&sku.pool, on_hand, sales]).await?;
                }
                let best = store::lists::best_sellers(conn, &StoreId::trusted("main"), 100).await?;
                let places: Vec<(i64, i64)> = (1..).zip(best.into_iter().map(|(num, _)| num)).collect();
                store::dialect::put_top(conn, (1, 100), &places).await?;
                Ok(())
            })
        })
        .await;
    done.expect("goods");
}

store::on_both! {
    async fn no_page_reads_a_table_whole(store: TestStore) {
        let (filters, main) = (filters(), StoreId::trusted("main"));
        let mut conn = store.read().await.expect("a connection");
        if conn.kind() == Kind::Postgres {
            // Of empty tables it knows nothing to choose by: asked is whether there is a way by keys.
            for other_way in ["seqscan", "hashjoin", "mergejoin"] {
                let sql = format!("SET enable_{other_way} = off");
                conn.exec(AssertSqlSafe(sql), &[]).await.expect("a setting");
            }
        }
        let member = MemberId::trusted("m1");
        let mut all = statements(conn.kind(), &main, &filters);
        all.extend(store::lists::of_member(&member));
        assert!(all.len() >= 25, "{}", all.len());
        for statement in &all {
            let scans = scans(&mut conn, statement).await;
            assert_eq!(scans, Vec::<String>::new(), "{}: {}", statement.name, statement.sql);
        }
        // The check sees what reads a table or an index whole.
        for end in ["k.price > $1 - k.num", "k.price <> $1 ORDER BY k.code"] {
            let sql = format!("SELECT k.id FROM sku k WHERE {end}");
            let whole = Statement { name: "whole", sql, vals: vec![Val::from(1_i64)] };
            assert_eq!(scans(&mut conn, &whole).await.len(), 1, "{end}");
        }
    }

    async fn a_list_of_many_begins_as_the_whole_list(store: TestStore) {
        fill(&store).await;
        let (filters, main) = (filters(), StoreId::trusted("main"));
        let mut conn = store.read().await.expect("a connection");
        let mut lists: BTreeMap<(&str, bool), Vec<Vec<String>>> = BTreeMap::new();
        for statement in statements(conn.kind(), &main, &filters).into_iter().filter(|s| !["a size", "goods by number", "a phrase's sound"].contains(&s.name)) {
            let rows: Vec<(String,)> = conn.all(AssertSqlSafe(statement.sql.clone()), &statement.vals).await.expect("rows");
            let suggests = statement.sql.contains("SELECT k.code, k.name_zh, k.name_en");
            let rows = rows.into_iter().map(|(id,)| id).collect();
            lists.entry((statement.name, suggests)).or_default().push(rows);
        }
        for ((name, suggests), lists) in lists {
            assert!(lists.iter().all(|list| list == &lists[0]), "{name}, suggestions: {suggests}: {lists:?}");
            assert!(!lists[0].is_empty(), "{name}");
        }
        let best = store::catalogue::popular(&mut conn, &main, Millis(1), 3).await.expect("popular");
        assert_eq!(best.iter().map(SkuId::as_str).collect::<Vec<_>>(), ["k13", "k47", "k9"], "what sells most");
        let near = store::catalogue::by_num(&mut conn, &main, &[7, 99, 3]).await.expect("goods");
        let nums: Vec<i64> = near.iter().map(|item| item.sku.num).collect();
        assert_eq!(nums, [7, 3], "in the order asked for");
    }
}

/// What is asked for page by page, and by the tills all day long, is looked up by keys.
#[tokio::test]
async fn exports_and_batches_read_no_table_whole() {
    let store = store::testing::sqlite().await;
    let mut conn = store.read().await.expect("a connection");
    store.keep_statements();
    store::exports::orders(&mut conn, ("s", "o")).await.expect("orders");
    store::exports::stock(&mut conn, ("s", "p")).await.expect("levels");
    store::goods::index_of(&mut conn, &["milk", "bread"]).await.expect("SKUs");
    let statement = store::stock::Statement {
        pool: PoolId::trusted("p"),
        kind: domain::stock::Kind::Snapshot,
        on_hand: Base(1),
        at: Millis(1),
        counted_until: None,
        policy: domain::safety::Policy::default(),
        key: "k".to_owned(),
    };
    store::stock::statements_of_time(&mut conn, &StoreId::trusted("s"), &[statement]).await.expect("keys");
    drop(conn);
    let plans = store.kept_plans().await;
    assert_eq!(plans.len(), 4, "{plans:#?}");
    for (sql, steps) in &plans {
        let of_a_store = |step: &String| step.ends_with("(store_id=?)");
        let costly = |step: &&String| is_scan(step, sql) || of_a_store(step) || step.contains("FOR ORDER BY");
        let found: Vec<&String> = steps.iter().filter(costly).collect();
        assert!(found.is_empty(), "{found:?}: {sql}");
    }
}
