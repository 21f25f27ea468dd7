//! Who waits for whom in a lane: nobody is overtaken, an import holds up a
//! checkout by no more than the chunk in hand, and a full lane says so at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Error, Lane, Store, StoreConfig, vals};
use tokio::sync::Notify;

const INSERT: &str = "INSERT INTO setting (name, value) VALUES ($1, 'v')";

/// A unit of an import: it takes a while.
async fn chunk(store: &Store, n: usize) {
    let work = store.write(Lane::Background, n, |conn, n| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            conn.exec(INSERT, vals![format!("chunk {n}")]).await
        })
    });
    let written: Result<u64, Error> = work.await;
    assert_eq!(written.expect("a chunk"), 1);
}

/// A unit that a shopper waits for.
async fn checkout(store: &Store, name: String) -> Result<u64, Error> {
    store
        .write(Lane::Store("s"), name, |conn, name| Box::pin(async move { conn.exec(INSERT, vals![name]).await }))
        .await
}

store::on_both! {
    async fn an_import_holds_up_a_checkout_by_a_chunk_at_most(store: TestStore) {
        const CHUNKS: usize = 40;
        let done = Arc::new(AtomicUsize::new(0));
        let import = tokio::spawn({
            let (store, done) = (Store::clone(&store), Arc::clone(&done));
            async move {
                for n in 0..CHUNKS {
                    chunk(&store, n).await;
                    done.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        for n in 0..10 {
            while done.load(Ordering::SeqCst) < 2 * n + 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let before = done.load(Ordering::SeqCst);
            checkout(&store, format!("checkout {n}")).await.expect("an order");
            let passed = done.load(Ordering::SeqCst) - before;
            // The chunk in hand, and the one that was queued before it was answered.
            assert!(passed <= 2, "{passed} chunks overtook a checkout");
        }
        assert!(done.load(Ordering::SeqCst) < CHUNKS, "the import was still running");
        import.await.expect("the import ends");
    }

    async fn units_run_in_the_order_in_which_they_came(store: TestStore) {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let units = (0..300_usize).map(|n| {
            let ran = Arc::clone(&ran);
            // A checkout, a member's change and a chunk of an import of one lane take their turns alike.
            let lane = if n % 2 == 0 { Lane::Store("s") } else { Lane::Member("s") };
            store.write(lane, n, move |conn, n| {
                let ran = Arc::clone(&ran);
                Box::pin(async move {
                    let written = conn.exec(INSERT, vals![format!("n{n}")]).await;
                    ran.lock().expect("no panic").push(*n);
                    written
                })
            })
        });
        let answers: Vec<Result<u64, Error>> = futures::future::join_all(units).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(*ran.lock().expect("no panic"), (0..300).collect::<Vec<_>>());
    }

    async fn a_full_lane_says_so_at_once(store: TestStore) {
        let config = StoreConfig { queue: 3, lanes: 1, ..store.config.clone() };
        let small = Store::open(&config).await.expect("the same database");
        let (began, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let held = tokio::spawn({
            let (small, began, gate) = (small.clone(), Arc::clone(&began), Arc::clone(&gate));
            async move {
                let work = small.write(Lane::Background, (), move |conn, ()| {
                    let (began, gate) = (Arc::clone(&began), Arc::clone(&gate));
                    Box::pin(async move {
                        began.notify_one();
                        gate.notified().await;
                        conn.exec(INSERT, vals!["held"]).await
                    })
                });
                let written: Result<u64, Error> = work.await;
                written
            }
        });
        began.notified().await;
        let waiting: Vec<_> = (0..3).map(|n| {
            let small = small.clone();
            tokio::spawn(async move { checkout(&small, format!("waits {n}")).await })
        }).collect();
        while small.waiting() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The lane is held until the gate opens: who is answered before that did not wait for it.
        let refused = checkout(&small, "one too many".to_owned()).await;
        assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
        assert_eq!(small.waiting(), 3, "those who wait still do");
        gate.notify_one();
        assert!(held.await.expect("no panic").is_ok());
        for unit in waiting {
            assert!(unit.await.expect("no panic").is_ok(), "who was let in is served");
        }
        checkout(&small, "later".to_owned()).await.expect("there is room again");
        small.close().await;
    }
}
