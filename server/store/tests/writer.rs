//! What the writer promises, on both databases.

use domain::ids::{PoolId, StoreId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use store::{Answers, Error, Lane, Store, Together, Unit, vals};
use tokio::sync::{Barrier, oneshot};
use tokio::task::JoinHandle;

const INSERT: &str = "INSERT INTO setting (name, value) VALUES ($1, $2)";

async fn put(store: &Store, name: String, fail: bool) -> Result<(), Error> {
    store
        .write(Lane::Background, (name, fail), |conn, (name, fail)| {
            Box::pin(async move {
                conn.touch_stock(&StoreId::trusted("s"), &PoolId::trusted(name.clone()));
                conn.exec(INSERT, vals![name, "v"]).await?;
                if *fail { Err(Error::Constraint("asked for".to_owned())) } else { Ok(()) }
            })
        })
        .await
}

/// Puts names by one statement for all who wait; an empty one is refused.
struct Putting;

impl Together for Putting {
    type Input = String;
    type Output = usize;
    type Error = Error;

    fn work<'c>(conn: &'c mut store::Conn, names: &'c [String]) -> Unit<'c, Answers<Self>, Error> {
        Box::pin(async move {
            let vals: Vec<_> = names.iter().filter(|n| !n.is_empty()).flat_map(|n| vals![n, "v"].to_vec()).collect();
            conn.insert("INSERT INTO setting (name, value)", 2, &vals, "").await?;
            let answer = |name: &String| if name.is_empty() { Err(Error::Busy) } else { Ok(names.len()) };
            Ok(names.iter().map(answer).collect())
        })
    }
}

/// Holds the lane until told, so that what comes meanwhile waits together.
async fn hold(store: &Store) -> (oneshot::Sender<()>, JoinHandle<Result<(), Error>>) {
    let (open, closed) = oneshot::channel::<()>();
    let gate = Arc::new(tokio::sync::Mutex::new(Some(closed)));
    let (holder, held) = (store.clone(), Arc::clone(&gate));
    let slow = tokio::spawn(async move {
        let work = holder.write(Lane::Background, held, |_, held| {
            Box::pin(async move {
                let closed = held.lock().await.take();
                if let Some(closed) = closed {
                    let _ = closed.await;
                }
                Ok::<(), Error>(())
            })
        });
        work.await
    });
    while gate.lock().await.is_some() {
        tokio::task::yield_now().await;
    }
    (open, slow)
}

async fn behind_a_slow_unit(store: &Store, names: Vec<String>) -> Vec<Result<usize, Error>> {
    let (open, slow) = hold(store).await;
    let tasks: Vec<_> = names
        .into_iter()
        .map(|name| {
            let store = store.clone();
            tokio::spawn(async move { store.write_together::<Putting>(Lane::Background, name).await })
        })
        .collect();
    while store.waiting() < tasks.len() {
        tokio::task::yield_now().await;
    }
    open.send(()).expect("the slow unit waits");
    slow.await.expect("no panic").expect("the slow unit");
    futures::future::join_all(tasks).await.into_iter().map(|task| task.expect("no panic")).collect()
}

/// Changes a row; with a barrier, the unit then waits for another at it, and holds the row.
async fn change(store: Store, name: &'static str, barrier: Option<Arc<Barrier>>) -> Result<(), Error> {
    store
        .write(Lane::Background, (name, barrier), |conn, (name, barrier)| {
            Box::pin(async move {
                conn.exec("UPDATE setting SET value = value || '+' WHERE name = $1", vals![*name]).await?;
                if let Some(barrier) = barrier {
                    barrier.wait().await;
                }
                Ok(())
            })
        })
        .await
}

/// Changes rows for all who wait.
struct Changing;

impl Together for Changing {
    type Input = &'static str;
    type Output = ();
    type Error = Error;

    fn work<'c>(conn: &'c mut store::Conn, names: &'c [&'static str]) -> Unit<'c, Answers<Self>, Error> {
        Box::pin(async move {
            for name in names {
                conn.exec("UPDATE setting SET value = value || '+' WHERE name = $1", vals![*name]).await?;
            }
            Ok(names.iter().map(|_| Ok(())).collect())
        })
    }
}

/// SQLite has one writer: batches never meet there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_two_servers_that_wait_for_each_other_are_both_written() {
    let Some(store) = store::testing::postgres().await else { return };
    for name in ["x", "y"] {
        put(&store, name.to_owned(), false).await.expect("a row");
    }
    let other = Store::open(&store.config).await.expect("another server");
    let barrier = Arc::new(Barrier::new(2));
    let mut tasks = Vec::new();
    for (server, first, second) in [((*store).clone(), "x", "y"), (other.clone(), "y", "x")] {
        // All units are in one batch: the first one's row is held while the others wait for the other's.
        let (open, slow) = hold(&server).await;
        tasks.push(tokio::spawn(change(server.clone(), first, Some(Arc::clone(&barrier)))));
        while server.waiting() < 1 {
            tokio::task::yield_now().await;
        }
        tasks.push(tokio::spawn(change(server.clone(), second, None)));
        for _ in 0..2 {
            let server = server.clone();
            tasks.push(tokio::spawn(async move { server.write_together::<Changing>(Lane::Background, second).await }));
        }
        while server.waiting() < 4 {
            tokio::task::yield_now().await;
        }
        open.send(()).expect("the slow unit waits");
        tasks.push(slow);
    }
    for task in tasks {
        task.await.expect("no panic").expect("written");
    }
    let mut conn = store.read().await.expect("a connection");
    assert_eq!(conn.int("SELECT COUNT(*) FROM setting WHERE value = 'v++++'", &[]).await.expect("a count"), 2);
}

/// Puts a name, then makes a mistake that it keeps to itself: PostgreSQL voids the transaction.
async fn put_and_hush_up(store: &Store, name: &'static str) -> Result<(), Error> {
    let work = store.write(Lane::Background, name, |conn, name| {
        Box::pin(async move {
            conn.exec(INSERT, vals![*name, "v"]).await?;
            let _ = conn.exec("INSERT INTO nowhere (n) VALUES (1)", vals![]).await;
            Ok::<(), Error>(())
        })
    });
    work.await
}

async fn is_there(store: &Store, name: &str) -> bool {
    let mut conn = store.read().await.expect("a connection");
    conn.int("SELECT COUNT(*) FROM setting WHERE name = $1", vals![name]).await.expect("a number") == 1
}

async fn count(store: &Store) -> i64 {
    let mut conn = store.read().await.expect("a connection");
    conn.int("SELECT COUNT(*) FROM setting", vals![]).await.expect("a number")
}

store::on_both! {
    async fn a_unit_that_fails_harms_nobody_in_its_batch(store: TestStore) {
        let units = (0..200).map(|n| { let store = Store::clone(&store); tokio::spawn(async move { put(&store, format!("n{n}"), n % 3 == 0).await }) });
        let results = futures::future::join_all(units).await;
        let kept = results.iter().filter(|r| matches!(r, Ok(Ok(())))).count();
        assert_eq!(kept, 133);
        assert_eq!(count(&store).await, 133);
    }

    async fn a_broken_statement_leaves_the_batch_usable(store: TestStore) {
        put(&store, "twice".to_owned(), false).await.expect("the first one");
        let again = put(&store, "twice".to_owned(), false).await;
        assert!(matches!(again, Err(Error::Constraint(_))), "{again:?}");
        put(&store, "after".to_owned(), false).await.expect("the next unit");
        assert_eq!(count(&store).await, 2);
    }

    async fn a_unit_that_panics_leaves_nothing_and_the_lane_goes_on(store: TestStore) {
        let answer: Result<(), Error> = store
            .write(Lane::Background, (), |conn, ()| {
                Box::pin(async move {
                    conn.exec(INSERT, vals!["half", "v"]).await?;
                    panic!("asked for by the test")
                })
            })
            .await;
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
        put(&store, "after".to_owned(), false).await.expect("the next unit");
        assert_eq!(count(&store).await, 1);
    }

    async fn listeners_hear_of_committed_changes_only(store: TestStore) {
        let mut changes = store.changes();
        let _ = put(&store, "undone".to_owned(), true).await;
        put(&store, "kept".to_owned(), false).await.expect("a unit");
        let heard = changes.recv().await.expect("news");
        assert_eq!(heard.stock, vec![(StoreId::trusted("s"), PoolId::trusted("kept"))]);
    }

    async fn a_yes_is_never_given_to_what_is_not_there(store: TestStore) {
        // Alone, and the last one of its batch: COMMIT itself would not complain.
        let alone = put_and_hush_up(&store, "alone").await;
        assert_eq!(alone.is_ok(), is_there(&store, "alone").await, "{alone:?}");
        // Between others of a batch.
        let (open, slow) = hold(&store).await;
        let first = tokio::spawn({ let store = Store::clone(&store); async move { put(&store, "first".to_owned(), false).await } });
        let second = tokio::spawn({ let store = Store::clone(&store); async move { put_and_hush_up(&store, "second").await } });
        let third = tokio::spawn({ let store = Store::clone(&store); async move { put(&store, "third".to_owned(), false).await } });
        while store.waiting() < 3 {
            tokio::task::yield_now().await;
        }
        open.send(()).expect("the lane waits");
        slow.await.expect("no panic").expect("a unit");
        for (name, unit) in [("first", first), ("second", second), ("third", third)] {
            let answer = unit.await.expect("no panic");
            assert_eq!(answer.is_ok(), is_there(&store, name).await, "{name}: {answer:?}");
        }
        put(&store, "after".to_owned(), false).await.expect("the lane goes on");
    }

    async fn what_a_failed_commit_touched_is_told(store: TestStore) {
        // A reference that leads nowhere is found at COMMIT only. To listeners it is a commit whose answer was lost.
        let table = "CREATE TABLE odd (n BIGINT PRIMARY KEY, of BIGINT REFERENCES odd (n) DEFERRABLE INITIALLY DEFERRED)";
        let made = store.write(Lane::Background, table, |conn, table| {
            Box::pin(async move { conn.exec(*table, vals![]).await })
        });
        made.await.expect("a table");
        let mut changes = store.changes();
        let answer = store.write(Lane::Background, (), |conn, ()| {
            Box::pin(async move {
                conn.touch_stock(&StoreId::trusted("s"), &PoolId::trusted("p"));
                conn.exec("INSERT INTO odd (n, of) VALUES (1, 7)", vals![]).await
            })
        });
        let answer = answer.await;
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
        let heard = changes.recv().await.expect("news");
        assert_eq!(heard.stock, vec![(StoreId::trusted("s"), PoolId::trusted("p"))]);
        put(&store, "after".to_owned(), false).await.expect("the lane goes on");
    }

    async fn a_unit_is_tried_again_after_a_serialization_failure(store: TestStore) {
        let tries = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&tries);
        let answer: Result<u32, Error> = store
            .write(Lane::Background, (), move |conn, ()| {
                let seen = Arc::clone(&seen);
                Box::pin(async move {
                    let tried = seen.fetch_add(1, Ordering::SeqCst);
                    conn.exec(INSERT, vals![format!("t{tried}"), "v"]).await?;
                    if tried < 2 { Err(Error::Conflict("once more".into())) } else { Ok(tried) }
                })
            })
            .await;
        assert_eq!(answer.expect("the third try"), 2);
        assert_eq!(count(&store).await, 1, "what failed tries wrote is undone");
    }

    async fn those_who_wait_for_the_same_are_served_together(store: TestStore) {
        let names = (0..10).map(|n| if n == 3 { String::new() } else { format!("n{n}") }).collect();
        let before = store.statements();
        let answers = behind_a_slow_unit(&store, names).await;
        assert!(store.statements() - before <= 2, "one statement for all, and one for the news");
        for (n, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(together) => assert_eq!(together, 10),
                Err(error) => assert!(n == 3 && matches!(error, Error::Busy), "{error}"),
            }
        }
        assert_eq!(count(&store).await, 9);
    }

    async fn one_whose_input_breaks_all_is_served_alone(store: TestStore) {
        put(&store, "n4".to_owned(), false).await.expect("a unit");
        let answers = behind_a_slow_unit(&store, (0..8).map(|n| format!("n{n}")).collect()).await;
        for (n, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(together) => assert_eq!(together, 1, "each alone"),
                Err(error) => assert!(n == 4 && matches!(error, Error::Constraint(_)), "{error}"),
            }
        }
        assert_eq!(count(&store).await, 8);
    }

    async fn closing_finishes_the_work_in_hand(store: TestStore) {
        let units: Vec<_> = (0..50).map(|n| { let store = Store::clone(&store); tokio::spawn(async move { put(&store, format!("n{n}"), false).await }) }).collect();
        tokio::task::yield_now().await;
        store.close().await;
        let mut kept = 0;
        for unit in units {
            if unit.await.expect("no panic").is_ok() {
                kept += 1;
            }
        }
        let reopened = Store::open(&store.config).await.expect("the same database");
        assert_eq!(count(&reopened).await, kept, "what was answered is there, and nothing else");
        let late = put(&store, "late".to_owned(), false).await;
        assert!(matches!(late, Err(Error::Unavailable(_))), "{late:?}");
    }
}
