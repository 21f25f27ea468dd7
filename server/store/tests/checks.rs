//! The proofs run on both databases, are silent on an empty shop, and find what
//! was broken on purpose.

use std::sync::{Arc, Mutex};
use store::checks::PROOFS;
use store::{Conn, Error, Lane, Store, vals};

/// A rule and what breaks it.
type Found = (&'static str, String);

async fn look(conn: &mut Conn) -> Vec<Found> {
    let mut all = Vec::new();
    for proof in PROOFS {
        let odd = proof.run(conn).await.unwrap_or_else(|e| panic!("{}: {e:?}", proof.rule));
        all.extend(odd.into_iter().map(|odd| (proof.rule, odd.subject)));
    }
    all
}

async fn findings(store: &Store) -> Vec<Found> {
    look(&mut store.read().await.expect("a connection")).await
}

fn found(rule: &'static str, subject: &str) -> Found {
    (rule, subject.to_owned())
}

async fn write(store: &Store, sql: &'static str) {
    let done: store::Result<u64> =
        store.write(Lane::Background, (), move |conn, ()| Box::pin(conn.exec(sql, vals![]))).await;
    assert_eq!(done.expect("a row"), 1);
}

/// Five orders: one waits for its payment; one was paid twice, and a pack of it was
/// short; one was called off when it was paid, one paid when its hold had run out;
/// one is done. The first two hold goods, and use an offer whose limits were lowered
/// since; the coupon of the first is that of the one that was called off.
const BOOK: &[&str] = &[
    "INSERT INTO stock (store_id, pool_id, on_hand, reserved, safety, as_of, source)
     VALUES ('s', 'p', 99, 5, 0, 0, '')",
    "INSERT INTO movement (store_id, pool_id, kind, on_hand_delta, reserved_delta, as_of, at, ref_id, key) VALUES
     ('s', 'p', 'receipt', 100, 0, 0, 0, '', 'receipt'), ('s', 'p', 'reservation', 0, 2, 0, 0, 'waits', 'held'),
     ('s', 'p', 'reservation', 0, 4, 0, 0, 'paid', 'taken'), ('s', 'p', 'short_pick', -1, -1, 0, 0, 'paid', 'short')",
    "INSERT INTO slot (store_id, id, kind, day, starts_at, ends_at, cutoff_at, capacity, taken)
     VALUES ('s', 't', 'pickup', 0, 0, 0, 0, 9, 3)",
    "WITH v (id, member_id, state, coupon_id, goods, discount, fee, total, paid, refunded, hold_until) AS (VALUES
     ('waits', 'm1', 'pending_payment', 'c1', 110, 10, 0, 100, 0, 0, 900),
     ('paid', 'm2', 'paid', 'c2', 110, 10, 0, 100, 200, 125, NULL),
     ('off', 'm1', 'cancelled', 'c1', 110, 10, 6, 106, 106, 106, NULL),
     ('late', 'm1', 'expired', NULL, 100, 0, 0, 100, 100, 100, NULL),
     ('done', 'm2', 'completed', NULL, 100, 0, 0, 100, 100, 0, NULL))
     INSERT INTO orders (store_id, id, code, member_id, state, version, kind, slot_id, slot_starts_at, slot_ends_at,
     address, note, substitution_default, is_member, coupon_id, goods, discount, delivery_fee, total, paid, refunded,
     steps, pickup_code, idempotency_key, request_hash, lang, placed_at, hold_until)
     SELECT 's', id, id, member_id, state, 1, 'pickup', 't', 0, 0, '', '', '', FALSE, coupon_id, goods, discount, fee,
     total, paid, refunded, '[]', '', id, '', '', 0, hold_until FROM v",
    "WITH v (order_id, qty, short_qty, discount, total, refunded) AS (VALUES ('waits', 2, 0, 10, 100, 0),
     ('paid', 4, 1, 10, 100, 25), ('off', 2, 0, 10, 100, 100), ('late', 1, 0, 0, 100, 0), ('done', 1, 0, 0, 100, 0))
     INSERT INTO order_line (store_id, order_id, line_no, sku_id, pool_id, pack_size, qty, short_qty, shelf_price,
     unit_price, gross, discount, total, refunded, choice, chosen, name_zh, name_en, picture, sku_code)
     SELECT 's', order_id, 1, 'k', 'p', 1, qty, short_qty, 0, 0, total + discount, discount, total, refunded,
     '', '', '', '', '', '' FROM v",
    "INSERT INTO line_share (store_id, order_id, line_no, step_no, step, offer_id, amount) VALUES
     ('s', 'waits', 1, 1, 'coupon', 'f', 10), ('s', 'paid', 1, 1, 'coupon', 'f', 10),
     ('s', 'off', 1, 1, 'coupon', 'f', 10)",
    "INSERT INTO offer (id, code, kind, name_zh, name_en, starts_at, ends_at, priority, scope, terms, excludes,
     per_member, total, budget, used, spent) VALUES ('f', 'F', 'coupon', '', '', 0, 0, 0, '', '', '', 1, 1, 5, 2, 20)",
    "INSERT INTO offer_use (member_id, offer_id, order_id, uses, amount, state) VALUES
     ('m1', 'f', 'waits', 1, 10, 'held'), ('m2', 'f', 'paid', 1, 10, 'used'), ('m1', 'f', 'off', 1, 10, 'released')",
    "INSERT INTO coupon (member_id, id, offer_id, state, order_id, issued_at, expires_at, key) VALUES
     ('m1', 'c1', 'f', 'held', 'waits', 0, 0, 'k'), ('m2', 'c2', 'f', 'used', 'paid', 0, 0, 'k')",
    "INSERT INTO payment (store_id, id, order_id, member_id, channel, trade_no, amount, state, created_at, poll_at)
     VALUES ('s', 'open', 'waits', 'm1', '', '0', 100, 'created', 0, 0),
     ('s', 'first', 'paid', 'm2', '', '1', 100, 'paid', 0, 0),
     ('s', 'second', 'paid', 'm2', '', '2', 100, 'paid', 0, 0),
     ('s', 'whole', 'off', 'm1', '', '3', 106, 'paid', 0, 0),
     ('s', 'after', 'late', 'm1', '', '4', 100, 'paid', 0, 0),
     ('s', 'last', 'done', 'm2', '', '5', 100, 'paid', 0, 0)",
    "INSERT INTO refund (store_id, id, order_id, payment_id, reason, state, amount, delivery, lines, key, created_at)
     VALUES ('s', 'pack', 'paid', 'first', 'shortage', 'done', 25, 0, '', '1', 0),
     ('s', 'twice', 'paid', 'second', 'double_payment', 'requested', 100, 0, '', '2', 0),
     ('s', 'all', 'off', 'whole', 'cancelled', 'done', 106, 6, '', '3', 0),
     ('s', 'back', 'late', 'after', 'late_payment', 'done', 100, 0, '', '4', 0)",
];

async fn keep_book(store: &Store) {
    let written = store.write(Lane::Background, (), |conn, ()| {
        Box::pin(async move {
            for sql in BOOK {
                conn.exec(*sql, vals![]).await?;
            }
            Ok::<(), Error>(())
        })
    });
    written.await.expect("a book");
}

/// What is found after these changes, each of one row; they are undone again.
async fn found_after(store: &Store, changes: &'static [&'static str]) -> Vec<Found> {
    let seen: Arc<Mutex<Vec<Found>>> = Arc::default();
    let undone = store.write(Lane::Background, Arc::clone(&seen), move |conn, seen| {
        Box::pin(async move {
            for sql in changes {
                if conn.exec(*sql, vals![]).await? != 1 {
                    return Err(Error::Constraint(format!("of one row: {sql}")));
                }
            }
            let all = look(conn).await;
            *seen.lock().expect("whole") = all;
            Err::<(), Error>(Error::Constraint("undone".to_owned()))
        })
    });
    let undone = undone.await;
    assert!(matches!(&undone, Err(Error::Constraint(why)) if why == "undone"), "{undone:?}");
    seen.lock().expect("whole").clone()
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

    async fn a_book_in_order_has_no_findings(store: TestStore) {
        keep_book(&store).await;
        assert_eq!(findings(&store).await, vec![]);
        // What the tests below change is undone.
        let uses = "an offer's uses and cost are those of the places that orders take";
        assert_eq!(found_after(&store, &["UPDATE offer SET used = 1"]).await, [found(uses, "F")]);
        assert_eq!(found_after(&store, &["UPDATE offer SET spent = 10"]).await, [found(uses, "F")]);
        assert_eq!(findings(&store).await, vec![]);
    }

    async fn what_moved_or_is_held_of_a_pool_without_a_level_is_found(store: TestStore) {
        keep_book(&store).await;
        let both = |rule| [found(rule, "s/ghost"), found(rule, "s/p")];
        let seen = found_after(&store, &["UPDATE movement SET pool_id = 'ghost' WHERE key = 'receipt'"]).await;
        assert_eq!(seen, both("what is on hand is the sum of its movements"));
        let seen = found_after(&store, &["UPDATE movement SET pool_id = 'ghost' WHERE key = 'held'"]).await;
        assert_eq!(seen, both("what is reserved is the sum of its movements"));
        let seen = found_after(&store, &["UPDATE order_line SET pool_id = 'ghost' WHERE order_id = 'waits'"]).await;
        assert_eq!(seen, both("what is reserved is what orders hold"));
    }

    async fn a_second_payment_that_is_kept_is_found(store: TestStore) {
        keep_book(&store).await;
        let exactly = "a paid order received exactly what it cost, beside what came late or twice and went back";
        let kept = found_after(&store, &[
            "DELETE FROM refund WHERE id = 'twice'",
            "UPDATE orders SET refunded = 25 WHERE id = 'paid'",
        ]);
        assert_eq!(kept.await, [found(exactly, "paid")]);
        let too_little = found_after(&store, &[
            "UPDATE payment SET amount = 99 WHERE id = 'last'",
            "UPDATE orders SET paid = 99 WHERE id = 'done'",
        ]);
        assert_eq!(too_little.await, [found(exactly, "done")]);
    }

    async fn an_order_that_waits_with_money_or_for_ever_is_found(store: TestStore) {
        keep_book(&store).await;
        let with_money = found_after(&store, &[
            "UPDATE payment SET state = 'paid' WHERE id = 'open'",
            "UPDATE orders SET paid = 100 WHERE id = 'waits'",
        ]);
        assert_eq!(with_money.await, [found("an order that waits for its payment has received nothing", "waits")]);
        let for_ever = found_after(&store, &["UPDATE orders SET hold_until = NULL WHERE id = 'waits'"]).await;
        assert_eq!(for_ever, [found("an order that waits for its payment has a hold that runs out", "waits")]);
    }

    async fn refunds_that_are_not_those_of_lines_and_delivery_are_found(store: TestStore) {
        keep_book(&store).await;
        let rule = "what went back of an order's lines and delivery fee is the sum of the refunds for them";
        let less = found_after(&store, &["UPDATE order_line SET refunded = 24 WHERE order_id = 'paid'"]).await;
        assert_eq!(less, [found(rule, "paid")]);
        let unasked = found_after(&store, &["UPDATE order_line SET refunded = 1 WHERE order_id = 'done'"]).await;
        assert_eq!(unasked, [found(rule, "done")]);
        let delivery = found_after(&store, &["UPDATE refund SET delivery = 5 WHERE id = 'all'"]).await;
        assert_eq!(delivery, [found(rule, "off")]);
    }

    async fn refunds_beyond_their_payment_are_found(store: TestStore) {
        keep_book(&store).await;
        let rule = "no payment sends back more than it brought";
        let beyond = found_after(&store, &["UPDATE refund SET payment_id = 'second' WHERE id = 'pack'"]).await;
        assert_eq!(beyond, [found(rule, "paid/second")]);
        let of_another = found_after(&store, &["UPDATE refund SET payment_id = 'last' WHERE id = 'pack'"]).await;
        assert_eq!(of_another, [found(rule, "paid/last")]);
    }

    async fn a_refund_that_hangs_is_found(store: TestStore) {
        keep_book(&store).await;
        let hangs = found_after(&store, &["UPDATE refund SET state = 'failed' WHERE id = 'twice'"]).await;
        assert_eq!(hangs, [found("no refund hangs: what is owed is on its way or back", "paid")]);
    }

    async fn places_of_offers_that_are_kept_or_lost_are_found(store: TestStore) {
        keep_book(&store).await;
        let rule = "an order takes its places of offers until it is called off";
        let kept = found_after(&store, &[
            "UPDATE offer_use SET state = 'held' WHERE order_id = 'off'",
            "UPDATE offer SET used = 3, spent = 30",
        ]);
        assert_eq!(kept.await, [found(rule, "off/f")]);
        let lost = found_after(&store, &[
            "UPDATE offer_use SET state = 'released' WHERE order_id = 'paid'",
            "UPDATE offer SET used = 1, spent = 10",
        ]);
        assert_eq!(lost.await, [found(rule, "paid/f")]);
        let nobodys = found_after(&store, &["UPDATE offer_use SET order_id = 'gone' WHERE order_id = 'waits'"]).await;
        assert_eq!(nobodys, [found(rule, "gone/f")]);
    }

    async fn coupons_that_two_orders_have_or_none_are_found(store: TestStore) {
        keep_book(&store).await;
        let rule = "an order that is not called off has its coupon";
        let again = found_after(&store, &["UPDATE coupon SET state = 'issued', order_id = NULL WHERE id = 'c2'"]).await;
        assert_eq!(again, [found(rule, "paid")]);
        let two = found_after(&store, &["UPDATE orders SET coupon_id = 'c2' WHERE id = 'done'"]).await;
        assert_eq!(two, [found(rule, "done")]);
        let kept = found_after(&store, &[
            "INSERT INTO coupon (member_id, id, offer_id, state, order_id, issued_at, expires_at, key)
             VALUES ('m1', 'c3', 'f', 'held', 'off', 0, 0, 'kept')",
        ]);
        assert_eq!(kept.await, [found("a coupon is held or used by an order that is not called off", "c3")]);
    }
}
