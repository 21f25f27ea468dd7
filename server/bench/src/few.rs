//! Goods of which a few pieces are left, and many who want them.

use crate::Result;
use crate::buyers::{Buyer, goods, make_of, the_store};
use crate::shop::Shop;
use std::collections::HashMap;
use std::net::SocketAddr;
use store::{Store, Val};

/// Leaves so many pieces of each of `kinds` SKUs, and makes `count` buyers with
/// one piece each; the buyers take turns with the SKUs. The SKUs' ids, too.
///
/// # Errors
/// If the database or the server refuses.
pub async fn make(
    shop: &Shop,
    addr: SocketAddr,
    count: usize,
    (kinds, pieces): (usize, i64),
) -> Result<(Vec<String>, Vec<Buyer>)> {
    let store = shop.store().await?;
    let mut conn = store.read().await?;
    let (store_id, store_code, ..) = the_store(&mut conn).await?;
    let mut skus = goods(&mut conn, &store_id).await?;
    skus.truncate(kinds);
    drop(conn);
    leave(shop, &store, (&store_id, &store_code), &skus, pieces).await?;
    let lists: Vec<Vec<String>> = skus.iter().map(|sku| vec![sku.clone()]).collect();
    let buyers = make_of(&store, addr, count, &lists).await?;
    Ok((skus, buyers))
}

/// Imports levels of stock of which exactly `pieces` packs can be sold. The
/// safety stock may depend on the level, so that it takes a few turns.
async fn leave(
    shop: &Shop,
    store: &Store,
    (store_id, store_code): (&str, &str),
    skus: &[String],
    pieces: i64,
) -> Result {
    use std::fmt::Write;
    let mut safety: HashMap<String, i64> = HashMap::new();
    for turn in 0..20 {
        let mut conn = store.read().await?;
        let sql = "SELECT sku.id, pool.code, stock.safety, sku.pack_size FROM sku JOIN pool ON pool.id = sku.pool_id \
                   JOIN stock ON stock.pool_id = pool.id AND stock.store_id = $1";
        let rows: Vec<(String, String, i64, i64)> = conn.all(sql, &[Val::from(store_id)]).await?;
        drop(conn);
        let mut level = "store,pool,on_hand,as_of,kind\n".to_owned();
        let mut settled = turn > 0;
        for (sku, pool, now, pack) in rows.iter().filter(|(sku, ..)| skus.contains(sku)) {
            // The safety of the plenty that there was says nothing.
            let now = if turn == 0 { 0 } else { *now };
            settled &= safety.insert(sku.clone(), now) == Some(now);
            writeln!(level, "{store_code},{pool},{},-0m,snapshot", pieces * pack + now)?;
        }
        if settled {
            return Ok(());
        }
        let file = shop.folder().join("stock.csv");
        std::fs::write(&file, level)?;
        shop.run(&["import", "--strict", "--from-now", &file.display().to_string()])?;
    }
    Err("the safety stock does not settle".into())
}
