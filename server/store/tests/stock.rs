//! Stock on both databases: reservations never pass zero, statements and flows
//! may come late and twice, and each level is the sum of its movements.

use domain::availability::sellable_base;
use domain::ids::{OrderId, PoolId, StoreId};
use domain::safety::{Dms, Policy};
use domain::stock::Kind;
use domain::time::{Day, HOUR_MS, MINUTE_MS, SECOND_MS};
use domain::{Base, Fen, Millis};
use store::stock::{
    Applied, Flow, Missing, PoolTerms, Short, Statement, Stock, apply_flows, apply_statements, levels, ran_out,
    reserve, set_terms, settle, short_pick,
};
use store::stores::StoreRecord;
use store::{Changes, Error, Lane, Store, vals};

const NOW: Millis = Millis(1_800_000_000_000);

fn shop() -> StoreId {
    StoreId::trusted("s1")
}

fn pool(name: &str) -> PoolId {
    PoolId::trusted(name)
}

fn statement(name: &str, on_hand: i64, at: Millis, key: &str) -> Statement {
    Statement {
        pool: pool(name),
        kind: Kind::Snapshot,
        on_hand: Base(on_hand),
        at,
        counted_until: None,
        policy: Policy::default(),
        key: key.to_owned(),
    }
}

fn sale(name: &str, quantity: i64, at: Millis, key: &str) -> Flow {
    Flow {
        pool: pool(name),
        kind: Kind::TillSale,
        quantity: Base(quantity),
        at,
        day: Day(20_000),
        promo: false,
        counted_until: None,
        policy: Policy::default(),
        key: key.to_owned(),
    }
}

async fn open_store(store: &Store) {
    let record = StoreRecord {
        id: shop(),
        code: "s1".to_owned(),
        name_zh: "店".to_owned(),
        name_en: "Store".to_owned(),
        lat_e6: 0,
        lon_e6: 0,
        address_zh: String::new(),
        address_en: String::new(),
        phone: String::new(),
        zone: "Asia/Shanghai".to_owned(),
        opens_min: 0,
        closes_min: 1_440,
        delivery_radius_m: 0,
        delivery_fee: Fen(0),
        free_delivery_above: None,
        sort: 0,
    };
    let put = store.write(Lane::Background, vec![record], |conn, rows| Box::pin(store::stores::put(conn, rows)));
    put.await.expect("a store");
}

async fn state(store: &Store, rows: Vec<Statement>) -> Applied {
    let unit = store.write(Lane::Store("s1"), rows, |conn, rows| {
        Box::pin(async move { apply_statements(conn, &shop(), rows, NOW).await })
    });
    unit.await.expect("statements")
}

async fn flows(store: &Store, rows: Vec<Flow>) -> Applied {
    let unit = store.write(Lane::Store("s1"), rows, |conn, rows| {
        Box::pin(async move { apply_flows(conn, &shop(), rows, NOW).await })
    });
    unit.await.expect("flows")
}

/// Reserves in a unit of its own; short answers undo it, as an order does.
async fn take(store: &Store, order: &str, lines: &[(&str, i64)], now: Millis) -> Result<Vec<Short>, Error> {
    let lines: Vec<(PoolId, Base)> = lines.iter().map(|(name, n)| (pool(name), Base(*n))).collect();
    let input = (OrderId::trusted(order), lines);
    let unit = store.write(Lane::Store("s1"), input, move |conn, (order, lines)| {
        Box::pin(async move { reserve(conn, &shop(), order, "place", lines, now).await })
    });
    Ok(unit.await?.err().unwrap_or_default())
}

/// A picker does not find units that the order holds.
async fn miss(store: &Store, order: &str, name: &str, n: i64) {
    let input = (OrderId::trusted(order), vec![Missing { pool: pool(name), missing: Base(n), left_on_shelf: None }]);
    let unit = store.write(Lane::Store("s1"), input, |conn, (order, missing)| {
        Box::pin(async move { short_pick(conn, &shop(), order, "short", missing, NOW).await })
    });
    unit.await.expect("a short pick");
}

async fn level(store: &Store, name: &str) -> Stock {
    let mut conn = store.read().await.expect("a connection");
    levels(&mut conn, &shop(), &[pool(name)]).await.expect("levels").pop().expect("a level")
}

async fn numbers(store: &Store, name: &str) -> (i64, i64) {
    let level = level(store, name).await.level;
    (level.on_hand.0, level.reserved.0)
}

/// The tills report a sale at this time; did that touch the whole store?
async fn touches_all(store: &Store, changes: &mut Changes, at: Millis) -> bool {
    flows(store, vec![sale("rice", 1, at, &at.to_string())]).await;
    let touched = changes.recv().await.expect("a commit");
    assert_eq!(touched.stock, [(shop(), pool("rice"))]);
    touched.stores.contains(&shop())
}

/// Every level is the sum of its movements.
async fn prove(store: &Store) {
    let mut conn = store.read().await.expect("a connection");
    let rows: Vec<(String, i64, i64, i64, i64)> = conn
        .all(
            "SELECT s.pool_id, s.on_hand, s.reserved, CAST(COALESCE(SUM(m.on_hand_delta), 0) AS BIGINT),
             CAST(COALESCE(SUM(m.reserved_delta), 0) AS BIGINT) FROM stock s
             LEFT JOIN movement m ON m.store_id = s.store_id AND m.pool_id = s.pool_id
             GROUP BY s.pool_id, s.on_hand, s.reserved",
            vals![],
        )
        .await
        .expect("the ledger");
    for (pool, on_hand, reserved, moved, held) in rows {
        assert_eq!((on_hand, reserved), (moved, held), "{pool}");
    }
}

store::on_both! {
    async fn fifty_at_once_get_seven(store: TestStore) {
        open_store(&store).await;
        state(&store, vec![statement("milk", 9, NOW.plus(-1), "a")]).await;
        let terms = vec![PoolTerms {
            pool: pool("milk"), policy: Policy::Absolute(Base(2)), dms: Dms::default(), promo_today: false,
        }];
        let unit = store.write(Lane::Background, terms, |conn, rows| {
            Box::pin(async move { set_terms(conn, &shop(), rows).await })
        });
        unit.await.expect("terms");
        let tasks = (0..50).map(|i| {
            let store = (*store).clone();
            tokio::spawn(async move { take(&store, &format!("o{i}"), &[("milk", 1)], NOW).await.expect("an answer") })
        });
        let answers: Vec<Vec<Short>> = futures::future::join_all(tasks).await.into_iter().map(|a| a.expect("a task")).collect();
        assert_eq!(answers.iter().filter(|short| short.is_empty()).count(), 7);
        assert_eq!(numbers(&store, "milk").await, (9, 7));
        let told = answers.iter().find(|short| !short.is_empty()).map(|short| short[0].clone());
        assert_eq!(told, Some(Short { pool: pool("milk"), want: Base(1), left: Base(0) }));
        prove(&store).await;
    }

    async fn an_order_gets_all_its_lines_or_none(store: TestStore) {
        open_store(&store).await;
        state(&store, vec![statement("cola", 30, NOW, "a"), statement("tea", 1, NOW, "b")]).await;
        // A case of 24 and 6 bottles are one pool: 30 base units.
        let before = store.statements();
        assert_eq!(take(&store, "o1", &[("cola", 24), ("tea", 2), ("cola", 6), ("gin", 1)], NOW).await.expect("an answer"), vec![
            Short { pool: pool("gin"), want: Base(1), left: Base(0) },
            Short { pool: pool("tea"), want: Base(2), left: Base(1) },
        ]);
        assert!(store.statements() - before < 10);
        assert_eq!(numbers(&store, "cola").await, (30, 0));
        assert_eq!(take(&store, "o1", &[("cola", 24), ("tea", 1), ("cola", 6)], NOW).await.expect("an answer"), vec![]);
        assert_eq!(numbers(&store, "cola").await, (30, 30));
        assert!(matches!(take(&store, "o1", &[("cola", 0), ("tea", 0)], NOW).await, Ok(short) if short.is_empty()));
        prove(&store).await;
    }

    async fn held_units_go_back_or_out_once(store: TestStore) {
        open_store(&store).await;
        state(&store, vec![statement("egg", 20, NOW, "a")]).await;
        take(&store, "o1", &[("egg", 5)], NOW).await.expect("a hold");
        take(&store, "o2", &[("egg", 6)], NOW).await.expect("a hold");
        for _ in 0..2 {
            let unit = store.write(Lane::Store("s1"), (), |conn, ()| Box::pin(async move {
                let (one, two) = (OrderId::trusted("o1"), OrderId::trusted("o2"));
                settle(conn, &shop(), Kind::Release, &one, "hold", &[(pool("egg"), Base(5))], NOW).await?;
                settle(conn, &shop(), Kind::Pick, &two, "pick", &[(pool("egg"), Base(2)), (pool("egg"), Base(2))], NOW).await?;
                let missing = Missing { pool: pool("egg"), missing: Base(2), left_on_shelf: Some(Base(0)) };
                short_pick(conn, &shop(), &two, "short", &[missing], NOW).await?;
                Ok::<_, Error>(())
            }));
            unit.await.expect("a settlement");
            assert_eq!(numbers(&store, "egg").await, (0, 0));
        }
        prove(&store).await;
    }

    async fn what_the_tills_sold_of_held_units_is_not_missing_once_more(store: TestStore) {
        open_store(&store).await;
        state(&store, vec![statement("jam", 3, NOW.plus(-10), "a")]).await;
        assert_eq!(take(&store, "o1", &[("jam", 3)], NOW).await.expect("an answer"), vec![]);
        flows(&store, vec![sale("jam", 3, NOW.plus(-5), "s1")]).await;
        assert_eq!(numbers(&store, "jam").await, (0, 3));
        for _ in 0..2 {
            miss(&store, "o1", "jam", 3).await;
            assert_eq!(numbers(&store, "jam").await, (0, 0));
        }
        // What comes in stands there, and is on hand.
        flows(&store, vec![Flow { kind: Kind::Receipt, ..sale("jam", 10, NOW, "r1") }]).await;
        assert_eq!(numbers(&store, "jam").await, (10, 0));
        // Of three that are missing the tills sold one; then one that the book has.
        assert_eq!(take(&store, "o2", &[("jam", 3)], NOW).await.expect("an answer"), vec![]);
        assert_eq!(take(&store, "o3", &[("jam", 2)], NOW).await.expect("an answer"), vec![]);
        flows(&store, vec![sale("jam", 6, NOW, "s2")]).await;
        assert_eq!(numbers(&store, "jam").await, (4, 5));
        miss(&store, "o2", "jam", 3).await;
        assert_eq!(numbers(&store, "jam").await, (2, 2));
        miss(&store, "o3", "jam", 1).await;
        assert_eq!(numbers(&store, "jam").await, (1, 1));
        prove(&store).await;
    }

    async fn batches_may_come_late_and_twice(store: TestStore) {
        open_store(&store).await;
        let (t1, t2, t3) = (NOW.plus(-300), NOW.plus(-200), NOW.plus(-100));
        assert_eq!(state(&store, vec![statement("rice", 10, t2, "a")]).await, Applied { applied: 1, opened: 1, ..Applied::default() });
        assert_eq!(state(&store, vec![statement("rice", 10, t2, "a")]).await, Applied { repeated: 1, ..Applied::default() });
        // Before the snapshot: contained in it. After it: taken off.
        flows(&store, vec![sale("rice", 1, t1, "s1"), sale("rice", 3, t3, "s2")]).await;
        assert_eq!(numbers(&store, "rice").await, (7, 0));
        let again = flows(&store, vec![sale("rice", 3, t3, "s2")]).await;
        assert_eq!((again.applied, again.repeated), (0, 1));
        // A late snapshot does nothing; a newer one keeps what moved after it.
        assert_eq!(state(&store, vec![statement("rice", 99, t1, "b")]).await.late, 1);
        state(&store, vec![statement("rice", 9, t2.plus(1), "c"), statement("rice", 50, t1, "d")]).await;
        assert_eq!(numbers(&store, "rice").await, (6, 0));
        assert_eq!(level(&store, "rice").await.level.as_of, t3, "the tills have reported up to then");
        let mut conn = store.read().await.expect("a connection");
        assert_eq!(conn.int("SELECT units FROM sale_day WHERE pool_id = 'rice'", vals![]).await.expect("sales"), 4);
        drop(conn);
        prove(&store).await;
    }

    async fn safety_follows_the_level_and_counts_run_out(store: TestStore) {
        open_store(&store).await;
        let mut greens = statement("greens", 95, NOW.plus(-10), "a");
        greens.kind = Kind::Count;
        greens.counted_until = Some(NOW.plus(1_000));
        greens.policy = Policy::Percent(10_000);
        state(&store, vec![greens]).await;
        assert_eq!(level(&store, "greens").await.level.safety, Base(10));
        flows(&store, vec![sale("greens", 30, NOW, "s")]).await;
        let stock = level(&store, "greens").await;
        assert_eq!((stock.level.safety, sellable_base(&stock.level, NOW)), (Base(7), Base(58)));
        assert_eq!(take(&store, "o1", &[("greens", 58)], NOW).await.expect("an answer"), vec![]);
        assert_eq!(take(&store, "o2", &[("greens", 1)], NOW).await.expect("an answer").len(), 1);
        let late = NOW.plus(1_000);
        assert_eq!(take(&store, "o3", &[("greens", 1)], late).await.expect("an answer")[0].left, Base(0));
        let mut conn = store.read().await.expect("a connection");
        assert_eq!(ran_out(&mut conn, NOW, late).await.expect("counts"), vec![(shop(), pool("greens"))]);
        assert_eq!(ran_out(&mut conn, late, late.plus(1)).await.expect("counts"), vec![]);
        drop(conn);
        prove(&store).await;
    }

    async fn what_is_counted_by_hand_is_opened_up_to_its_days_end(store: TestStore) {
        open_store(&store).await;
        let until = |ms: i64| Some(NOW.plus(ms));
        let sold = Flow { counted_until: until(1_000), ..sale("greens", 1, NOW.plus(-20), "s1") };
        let came = Flow { kind: Kind::Receipt, counted_until: until(2_000), ..sale("greens", 9, NOW.plus(-10), "r1") };
        flows(&store, vec![came, sold]).await;
        let stock = level(&store, "greens").await;
        assert_eq!((stock.level.on_hand, stock.level.counted_until), (Base(8), until(2_000)), "the later one holds");
        assert_eq!(sellable_base(&stock.level, NOW.plus(1_999)), Base(8));
        assert_eq!(sellable_base(&stock.level, NOW.plus(2_000)), Base(0));
        // What comes in later is no count.
        let later = Flow { kind: Kind::Receipt, counted_until: until(9_000), ..sale("greens", 5, NOW, "r2") };
        flows(&store, vec![later]).await;
        assert_eq!(level(&store, "greens").await.level.counted_until, until(2_000));
        prove(&store).await;
    }

    async fn tills_that_report_after_a_silence_touch_the_whole_store(store: TestStore) {
        open_store(&store).await;
        state(&store, vec![statement("rice", 90, NOW.plus(-5 * HOUR_MS), "a")]).await;
        let stale = NOW.plus(-2 * HOUR_MS);
        let mut changes = store.changes();
        assert!(touches_all(&store, &mut changes, stale.plus(-20 * SECOND_MS)).await, "the first report");
        let fresh = stale.plus(10 * SECOND_MS);
        assert!(touches_all(&store, &mut changes, fresh).await, "what was known before was stale");
        assert!(!touches_all(&store, &mut changes, fresh.plus(MINUTE_MS)).await, "no more than a minute");
        assert!(!touches_all(&store, &mut changes, fresh.plus(1)).await, "that was known already");
        let later = fresh.plus(2 * MINUTE_MS + 1);
        assert!(touches_all(&store, &mut changes, later).await, "more than a minute");
        assert_eq!(level(&store, "rice").await.level.as_of, later);
        prove(&store).await;
    }
}
