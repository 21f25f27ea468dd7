//! The proofs run on both databases, are silent on an empty shop, and find what
//! was broken on purpose.

use store::checks::PROOFS;
use store::{Lane, Store, vals};

async fn findings(store: &Store) -> Vec<(&'static str, String)> {
    let mut conn = store.read().await.expect("a connection");
    let mut all = Vec::new();
    for proof in PROOFS {
        let odd = proof.run(&mut conn).await.unwrap_or_else(|e| panic!("{}: {e:?}", proof.rule));
        all.extend(odd.into_iter().map(|odd| (proof.rule, odd.subject)));
    }
    all
}

async fn write(store: &Store, sql: &'static str) {
    let done: store::Result<u64> =
        store.write(Lane::Background, (), move |conn, ()| Box::pin(conn.exec(sql, vals![]))).await;
    assert_eq!(done.expect("a row"), 1);
}

store::on_both! {
    async fn an_empty_shop_is_in_order(store: TestStore) {
        assert_eq!(findings(&store).await, vec![]);
    }

    async fn a_level_without_movements_is_found(store: TestStore) {
        write(&store, "INSERT INTO stock (store_id, pool_id, on_hand, reserved, safety, as_of, source) VALUES ('s', 'p', 3, 1, 0, 0, '')").await;
        let found: Vec<_> = findings(&store).await.into_iter().map(|(rule, _)| rule).collect();
        assert_eq!(found, [
            "what is on hand is the sum of its movements",
            "what is reserved is the sum of its movements",
            "what is reserved is what orders hold",
        ]);
    }

    async fn shares_that_do_not_add_up_are_found(store: TestStore) {
        write(&store, "INSERT INTO order_line (store_id, order_id, line_no, sku_id, pool_id, pack_size, qty, shelf_price, unit_price, gross, discount, total, choice, chosen, name_zh, name_en, picture, sku_code) VALUES ('s', 'o', 1, 'k', 'p', 1, 1, 100, 100, 100, 10, 90, '', '', '', '', '', '')").await;
        write(&store, "INSERT INTO line_share (store_id, order_id, line_no, step_no, step, amount) VALUES ('s', 'o', 1, 1, 'coupon', 9)").await;
        assert_eq!(findings(&store).await, vec![("a line's shares add up to its discount", "o#1".to_owned())]);
    }
}
