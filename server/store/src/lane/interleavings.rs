//! The real lane under shuttle, which runs it in thousands of orders of events:
//! units that come while a batch is written, units that fail, conflict, are
//! served together or lose the connection, a queue that is full, and a store
//! that is closed while all of this goes on.
//!
//! SQLite's statements run where they are called, so that on SQLite the lane
//! waits for nothing but its queue, and one thread after another can be run as
//! shuttle decides. A unit gives the others a turn between its statements, as a
//! unit on PostgreSQL does.

use super::LaneTask;
use crate::writer::{Answers, Together, Unit};
use crate::{Conn, Error, Lane, Result, Store, StoreConfig, vals};
use domain::ids::{PoolId, StoreId};
use shuttle::future::{block_on, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Orders of events that are tried, in either way of choosing them.
const ORDERS: usize = 1_000;
/// Places in the queue: fewer than there are clients.
const QUEUE: usize = 3;
/// Clients, and units of each.
const CLIENTS: (u64, u64) = (4, 3);
/// Room for a thread that runs SQLite.
const STACK: usize = 1 << 20;

const SCHEMA: &str = "CREATE TABLE put (no INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
    CREATE TABLE news (seq BIGINT PRIMARY KEY, origin TEXT NOT NULL, touched TEXT NOT NULL, at BIGINT NOT NULL)";
const PUT: &str = "INSERT INTO put (name) VALUES ($1)";

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// To put its name.
    Put,
    /// The same, and then to be undone.
    Fail,
    /// The same, after two serialization failures.
    Conflict,
    /// To lose the connection after it has put its name.
    Lose,
    /// To be served together with others who ask for that.
    Together,
    /// The same, but refused without harm to the others.
    Refused,
    /// The same, but in the way of the others, so that each is served alone.
    Poison,
}

impl Kind {
    fn any() -> Self {
        let kinds = [Self::Put, Self::Fail, Self::Conflict, Self::Lose, Self::Together, Self::Refused, Self::Poison];
        // Mostly what is common.
        *kinds.get(thread_rng().gen_range(0..kinds.len() + 6)).unwrap_or(&Self::Together)
    }

    fn is_together(self) -> bool {
        matches!(self, Self::Together | Self::Refused | Self::Poison)
    }

    /// Is its name there, if it is answered by a yes?
    fn is_yes(self) -> bool {
        matches!(self, Self::Put | Self::Conflict | Self::Together)
    }
}

/// Puts names by one statement for all who wait.
struct Putting;

impl Together for Putting {
    type Input = (Kind, String);
    type Output = ();
    type Error = Error;

    fn work<'c>(conn: &'c mut Conn, all: &'c [Self::Input]) -> Unit<'c, Answers<Self>, Error> {
        Box::pin(async move {
            let mut answers = Vec::new();
            for (kind, name) in all {
                yield_now().await;
                if *kind == Kind::Refused {
                    answers.push(Err(Error::Busy));
                    continue;
                }
                touch(conn, name);
                // A name that is there already breaks the whole.
                conn.exec(PUT, vals![if *kind == Kind::Poison { "there already" } else { name }]).await?;
                answers.push(Ok(()));
            }
            Ok(answers)
        })
    }
}

fn touch(conn: &mut Conn, name: &str) {
    conn.touch_stock(&StoreId::trusted("s"), &PoolId::trusted(name.to_owned()));
}

async fn alone(conn: &mut Conn, kind: Kind, name: &str, tried: u64) -> Result<()> {
    touch(conn, name);
    yield_now().await;
    conn.exec(PUT, vals![name]).await?;
    yield_now().await;
    match kind {
        Kind::Fail => Err(Error::Constraint("asked for".to_owned())),
        Kind::Lose => Err(Error::Unavailable("asked for".to_owned())),
        Kind::Conflict if tried < 2 => Err(Error::Conflict("asked for".into())),
        _ => Ok(()),
    }
}

/// What a client asked for and was answered.
#[derive(Debug)]
struct Tale {
    kind: Kind,
    name: String,
    /// Its place among all who asked.
    came: u64,
    answer: Result<()>,
}

fn ask(store: &Store, kind: Kind, name: String, counter: &AtomicU64) -> Tale {
    let asked = name.clone();
    let mut came = None;
    let answer = block_on(async {
        let tried = AtomicU64::new(0);
        let mut write: std::pin::Pin<Box<dyn Future<Output = Result<()>> + '_>> = if kind.is_together() {
            Box::pin(store.write_together::<Putting>(Lane::Background, (kind, asked)))
        } else {
            Box::pin(store.write(Lane::Background, (kind, asked, tried), |conn, (kind, name, tried)| {
                Box::pin(async move { alone(conn, *kind, name, tried.fetch_add(1, Ordering::SeqCst)).await })
            }))
        };
        let mut write = pin!(write.as_mut());
        // It enters the queue at its first turn.
        let turn = poll_fn(|cx| {
            came.get_or_insert_with(|| counter.fetch_add(1, Ordering::SeqCst));
            write.as_mut().poll(cx)
        });
        turn.await
    });
    Tale { kind, name, came: came.unwrap_or_default(), answer }
}

/// A lane that shuttle runs.
#[expect(clippy::unnecessary_wraps, reason = "as lanes are started")]
fn start(task: LaneTask, queue: mpsc::Receiver<super::Wait>) -> Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    thread::spawn(move || {
        block_on(task.run(queue));
        let _ = ended.send(());
    });
    Ok(end)
}

/// A store of its own for one order of events.
fn open() -> (Store, StoreConfig, tempfile::TempDir) {
    let shm = std::path::Path::new("/dev/shm");
    let folder = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.expect("a folder");
    let mut config = StoreConfig::new(format!("sqlite://{}/shop.sqlite", folder.path().display()));
    config.queue = QUEUE;
    let store = block_on(Store::open_with(&config, start)).expect("an SQLite file");
    let made = store.write(Lane::Background, (), |conn, ()| {
        Box::pin(async move {
            conn.raw(SCHEMA).await?;
            conn.exec(PUT, vals!["there already"]).await
        })
    });
    block_on(made).expect("a schema");
    (store, config, folder)
}

/// Clients ask for all kinds of work while the store is closed.
fn run() {
    let (store, config, _folder) = open();
    let mut changes = store.changes();
    let counter = Arc::new(AtomicU64::new(0));
    let (clients, units) = CLIENTS;
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let (store, counter) = (store.clone(), Arc::clone(&counter));
            let ask = move |unit| ask(&store, Kind::any(), format!("{client}-{unit}"), &counter);
            thread::spawn(move || (0..units).map(ask).collect::<Vec<_>>())
        })
        .collect();
    let closer = {
        let store = store.clone();
        thread::spawn(move || {
            for _ in 0..thread_rng().gen_range(0..60) {
                thread::yield_now();
            }
            block_on(store.close());
        })
    };
    let tales: Vec<Tale> = clients.into_iter().flat_map(|client| client.join().expect("a client")).collect();
    closer.join().expect("it closes");
    let mut heard = BTreeSet::new();
    while let Ok(touched) = changes.try_recv() {
        heard.extend(touched.stock.iter().map(|(_, pool)| pool.to_string()));
    }
    drop(store);
    prove(&config, &tales, &heard);
}

/// What was answered is what is there, in the order in which it was asked for.
fn prove(config: &StoreConfig, tales: &[Tale], heard: &BTreeSet<String>) {
    let again = block_on(Store::open_with(config, start)).expect("the same file");
    let there: Vec<(i64, String)> = block_on(async {
        let mut conn = again.read().await.expect("a connection");
        conn.all("SELECT no, name FROM put WHERE name <> 'there already' ORDER BY no", &[]).await.expect("rows")
    });
    block_on(again.close());
    let there: Vec<&str> = there.iter().map(|(_, name)| name.as_str()).collect();
    let mut yes: Vec<&Tale> = tales.iter().filter(|tale| tale.answer.is_ok()).collect();
    yes.sort_by_key(|tale| there.iter().position(|name| *name == tale.name));
    let names: Vec<&str> = yes.iter().map(|tale| tale.name.as_str()).collect();
    assert_eq!(there, names, "there is what was answered by a yes, once, and nothing else");
    assert_eq!(*heard, names.iter().map(|name| (*name).to_owned()).collect(), "and that is what listeners hear of");
    for together in [false, true] {
        let came: Vec<u64> = yes.iter().filter(|t| t.kind.is_together() == together).map(|tale| tale.came).collect();
        assert!(came.is_sorted(), "nobody of a kind is overtaken: {yes:#?}");
    }
    for Tale { kind, answer, .. } in tales {
        let fits = match answer {
            Ok(()) => kind.is_yes(),
            // The lane was full, or the unit said so; the store was closed, or another of the batch lost the connection.
            Err(Error::Busy | Error::Unavailable(_)) => true,
            Err(Error::Constraint(_)) => matches!(kind, Kind::Fail | Kind::Poison),
            Err(_) => false,
        };
        assert!(fits, "{kind:?} was answered {answer:?}");
    }
}

fn explore(scheduler: impl Scheduler + 'static) {
    // For the time limits of closing; no time passes.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    let mut config = shuttle::Config::new();
    config.stack_size = STACK;
    shuttle::Runner::new(scheduler, config).run(run);
}

#[test]
fn what_is_answered_is_what_is_there_in_any_order_of_events() {
    explore(RandomScheduler::new(ORDERS));
}

#[test]
fn and_where_some_stand_still_while_others_go_far() {
    explore(PctScheduler::new(3, ORDERS));
}
