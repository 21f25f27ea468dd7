//! What files and batches name goods by, on both databases.

use domain::ids::{CategoryId, PoolId, SkuId};
use domain::{Base, Millis};
use store::catalogue::SkuRecord;
use store::goods::{Index, index, index_of, pool_skus, skus_of_pool};
use store::{Conn, Lane, Store};

/// Code (the id, too), barcode, pool (its code, too), pack size, whether it is on sale.
const SKUS: [(&str, &str, &str, i64, bool); 7] = [
    // The old tea was taken off the list, the new one has its barcode.
    ("A100", "6901", "old", 1, false),
    ("A200", "6901", "new", 1, true),
    // A bottle and its case.
    ("CASE", "", "milk", 12, true),
    ("MILK", "6902", "milk", 1, true),
    // A bottle that is sold in cases only by now.
    ("BEER", "6903", "beer", 1, false),
    ("BEER24", "6903", "beer", 24, true),
    // Its code is the barcode of the milk.
    ("6902", "", "odd", 1, true),
];

async fn fill(store: &Store, more: &[(&'static str, &'static str, &'static str, i64, bool)]) {
    let rows: Vec<_> = SKUS.iter().chain(more).copied().collect();
    let written: store::Result<()> = store
        .write(Lane::Background, rows, |conn, rows| {
            Box::pin(async move {
                let mut pools = Vec::new();
                let mut skus = Vec::new();
                for (num, (code, barcode, pool, pack_size, active)) in (1..).zip(rows) {
                    let pool_id = PoolId::trusted(*pool);
                    pools.push((pool_id.clone(), (*pool).to_owned(), "piece".to_owned()));
                    let sku = SkuRecord {
                        id: SkuId::trusted(*code),
                        num,
                        code: (*code).to_owned(),
                        barcode: (*barcode).to_owned(),
                        category: CategoryId::trusted("food"),
                        pool: pool_id,
                        pack_size: Base(*pack_size),
                        active: *active,
                        ..SkuRecord::default()
                    };
                    skus.push((sku, String::new()));
                }
                pools.sort();
                pools.dedup();
                store::goods::put_pools(conn, &pools).await?;
                store::goods::put_skus(conn, &skus, Millis(1)).await
            })
        })
        .await;
    written.expect("goods");
}

/// Codes of the SKUs that these names find.
async fn found(conn: &mut Conn, names: &[&str]) -> Vec<String> {
    let index = index_of(conn, names).await.expect("an index");
    let mut codes: Vec<String> = index.by_code.into_keys().collect();
    codes.sort();
    codes
}

fn by_barcode<'a>(index: &'a Index, barcode: &str) -> Option<(&'a str, i64)> {
    index.by_barcode.get(barcode).map(|sold| (sold.pool.as_str(), sold.pack_size))
}

store::on_both! {
    async fn what_is_on_sale_comes_before_what_is_not(store: TestStore) {
        fill(&store, &[]).await;
        let mut conn = store.read().await.expect("a connection");
        let whole = index(&mut conn).await.expect("an index");
        let named = index_of(&mut conn, &["6901", "6902", "6903", "beer", "A100"]).await.expect("an index");
        for index in [&whole, &named] {
            assert_eq!(by_barcode(index, "6901"), Some(("new", 1)));
            assert_eq!(by_barcode(index, "6902"), Some(("milk", 1)));
            assert_eq!(by_barcode(index, "6903"), Some(("beer", 24)));
            assert_eq!(index.by_pool["beer"].1.as_str(), "BEER24");
            assert_eq!(index.of_pool[&PoolId::trusted("beer")].0.as_str(), "BEER24");
            assert_eq!(index.by_code["A100"].pool.as_str(), "old", "its own code names it still");
            assert!(index.ambiguous.is_empty());
        }
        let first = skus_of_pool(&mut conn, &PoolId::trusted("beer")).await.expect("SKUs");
        assert_eq!(first[0].sku.as_str(), "BEER24", "it stands for the pool");
        let all = pool_skus(&mut conn).await.expect("SKUs");
        let codes: Vec<&str> = all.iter().map(|sku| sku.sku.as_str()).collect();
        assert_eq!(codes, ["BEER24", "BEER", "MILK", "CASE", "A200", "6902", "A100"]);
    }

    async fn a_name_is_looked_up_among_codes_barcodes_and_pools(store: TestStore) {
        fill(&store, &[]).await;
        let mut conn = store.read().await.expect("a connection");
        assert_eq!(found(&mut conn, &["CASE"]).await, ["CASE"]);
        assert_eq!(found(&mut conn, &["6902"]).await, ["6902", "MILK"], "a code, and the barcode of another");
        assert_eq!(found(&mut conn, &["milk", "MILK", "nothing"]).await, ["CASE", "MILK"]);
        assert!(found(&mut conn, &["", "nothing"]).await.is_empty(), "what has no barcode has no name in common");
        assert!(found(&mut conn, &[]).await.is_empty());
    }

    async fn a_barcode_of_goods_in_several_pools_names_none_of_them(store: TestStore) {
        fill(&store, &[("A300", "6901", "newer", 1, true)]).await;
        let mut conn = store.read().await.expect("a connection");
        let whole = index(&mut conn).await.expect("an index");
        let named = index_of(&mut conn, &["6901", "6902"]).await.expect("an index");
        for index in [&whole, &named] {
            assert!(index.ambiguous.contains("6901") && index.ambiguous.len() == 1);
            assert_eq!(by_barcode(index, "6901"), None);
            assert_eq!(by_barcode(index, "6902"), Some(("milk", 1)));
        }
    }
}
