//! The task of a lane: takes all that waits, runs it in one transaction,
//! commits once, answers everybody.
//!
//! Each unit of work stands inside a savepoint. Units of one kind that are
//! [`Together`] stand inside one, and are served set-wise; if that fails, each
//! is served alone.
//!
//! A unit that runs into what another server does (a deadlock, say) is tried
//! again. What units before it hold would be in the way of both for ever, so
//! that is committed first: the unit is the first one of the next transaction.

#[cfg(test)]
mod interleavings;

use crate::conn::{Conn, Inner, Kind, Statements, Touched};
use crate::news::News;
use crate::pg::Pg;
use crate::writer::{Pools, Together, Unit, UnitError};
use crate::{Error, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::any::{Any, TypeId};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, oneshot};

/// Units in one transaction at most: bounds the time that the first one waits.
const BATCH_MAX: usize = 500;
/// Units that are served together at most: bounds the parameters of a statement.
const TOGETHER_MAX: usize = 64;
/// Tries of a unit that ran into a serialization failure.
const TRIES: u32 = 5;
/// A unit that takes longer is a defect and is logged.
const SLOW_UNIT: Duration = Duration::from_millis(250);

/// Called once the batch was committed (`None`) or could not be (`Some(why)`).
type Answer = Box<dyn FnOnce(Option<String>) + Send>;
/// Who must wait for the next transaction; `Err` if the connection is gone, so
/// that nothing of the batch will be committed.
type Served = std::result::Result<Vec<Wait>, Lost>;
/// Runs a unit and keeps its answer.
type Job = Box<dyn for<'c> FnOnce(&'c mut Conn, &'c mut Vec<Answer>) -> BoxFuture<'c, Served> + Send>;
/// Runs units of one kind, as a [`Job`] does one.
type Runner = for<'c> fn(&'c mut Conn, Vec<Box<dyn Any + Send>>, &'c mut Vec<Answer>) -> BoxFuture<'c, Served>;
type Sender<T, E> = oneshot::Sender<std::result::Result<T, E>>;

/// The connection is gone.
#[derive(Debug)]
pub(crate) struct Lost;

/// What waits in a lane.
pub(crate) enum Wait {
    /// A unit of work.
    Job(Job),
    /// One of a kind that is served together.
    One(One),
    /// Takes no more, finishes what was accepted, then ends.
    Stop,
}

/// One of a kind.
pub(crate) struct One {
    kind: TypeId,
    /// An [`Asked`] of the kind.
    asked: Box<dyn Any + Send>,
    run: Runner,
}

/// What one asks for, and where the answer goes.
struct Asked<G: Together> {
    input: G::Input,
    sender: Sender<G::Output, G::Error>,
}

impl Wait {
    pub(crate) fn unit<I, T, E, F>(input: I, work: F, sender: Sender<T, E>) -> Self
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        E: UnitError,
        F: for<'c> Fn(&'c mut Conn, &'c I) -> Unit<'c, T, E> + Send + Sync + 'static,
    {
        Self::Job(Box::new(move |conn, answers| {
            Box::pin(async move {
                let (result, lost) = in_savepoint(conn, &input, &work, tries(conn)).await;
                if lost.is_ok() && must_wait(conn, &result) {
                    return Ok(vec![Self::unit(input, work, sender)]);
                }
                answers.push(answer(sender, result));
                lost.map(|()| Vec::new())
            })
        }))
    }

    pub(crate) fn together<G: Together>(input: G::Input, sender: Sender<G::Output, G::Error>) -> Self {
        let asked = Box::new(Asked::<G> { input, sender });
        Self::One(One {
            kind: TypeId::of::<G>(),
            asked,
            run: |conn, all, answers| Box::pin(serve::<G>(conn, all, answers)),
        })
    }
}

/// The answer of a unit, to be given once it is known whether it was committed.
fn answer<T: Send + 'static, E: UnitError>(sender: Sender<T, E>, result: std::result::Result<T, E>) -> Answer {
    Box::new(move |failed| {
        let result = match failed {
            Some(why) => Err(E::from(Error::Unavailable(why))),
            None => result,
        };
        // The asker may have gone away; what is committed stays committed.
        drop(sender.send(result));
    })
}

/// How often a unit is tried before what units before it hold is committed.
fn tries(conn: &Conn) -> u32 {
    if conn.stands == 0 { TRIES } else { 1 }
}

/// Ran a unit into a conflict while units before it hold something?
fn must_wait<T, E: UnitError>(conn: &Conn, result: &std::result::Result<T, E>) -> bool {
    let waits = conn.stands > 0 && result.as_ref().is_err_and(UnitError::is_conflict);
    if waits {
        metrics::counter!("zaijia_writer_retries_total").increment(1);
    }
    waits
}

/// Runs work inside a savepoint, with further tries after serialization failures.
async fn in_savepoint<I, T, E, F>(
    conn: &mut Conn,
    input: &I,
    work: &F,
    tries: u32,
) -> (std::result::Result<T, E>, std::result::Result<(), Lost>)
where
    I: ?Sized + Sync,
    E: UnitError,
    F: for<'c> Fn(&'c mut Conn, &'c I) -> Unit<'c, T, E>,
{
    let before = conn.touched.mark();
    let mut tried = 0;
    loop {
        tried += 1;
        if let Err(error) = conn.begin_unit().await {
            // The savepoint that stands may still be that of the unit before: nothing can be undone alone.
            return (Err(E::from(error)), Err(Lost));
        }
        let result = work(conn, input).await;
        let Err(error) = result else {
            conn.stands += 1;
            return (result, Ok(()));
        };
        conn.touched.undo_to(before);
        if error.is_connection_lost() || conn.undo_unit().await.is_err() {
            return (Err(error), Err(Lost));
        }
        if !error.is_conflict() || tried >= tries {
            return (Err(error), Ok(()));
        }
        metrics::counter!("zaijia_writer_retries_total").increment(1);
    }
}

/// Serves all of a kind by the same statements; if that fails, one after another.
async fn serve<G: Together>(conn: &mut Conn, all: Vec<Box<dyn Any + Send>>, answers: &mut Vec<Answer>) -> Served {
    let all = all.into_iter().filter_map(|one| one.downcast::<Asked<G>>().ok());
    let (mut inputs, mut senders) = (Vec::new(), Vec::new());
    for one in all {
        let Asked { input, sender } = *one;
        inputs.push(input);
        senders.push(sender);
    }
    let together = inputs.len() > 1;
    let tries = if together { 1 } else { tries(conn) };
    let (result, lost) = in_savepoint(conn, inputs.as_slice(), &G::work, tries).await;
    if lost.is_ok() && must_wait(conn, &result) {
        return Ok(inputs.into_iter().zip(senders).map(|(input, sender)| Wait::together::<G>(input, sender)).collect());
    }
    match result {
        Ok(results) => {
            assert_eq!(results.len(), senders.len(), "an answer for each");
            answers.extend(senders.into_iter().zip(results).map(|(sender, result)| answer(sender, result)));
            lost.map(|()| Vec::new())
        }
        Err(error) if together && lost.is_ok() => {
            tracing::debug!(units = inputs.len(), conflict = error.is_conflict(), "served one after another");
            metrics::counter!("zaijia_writer_apart_total").increment(1);
            serve_apart::<G>(conn, inputs.into_iter().zip(senders), answers).await
        }
        Err(error) => {
            let mut senders = senders.into_iter();
            if let Some(sender) = senders.next() {
                answers.push(answer(sender, Err(error)));
            }
            let gone = || G::Error::from(Error::Unavailable("the connection was lost".to_owned()));
            answers.extend(senders.map(|sender| answer(sender, Err(gone()))));
            lost.map(|()| Vec::new())
        }
    }
}

/// Serves those of a kind one after another.
async fn serve_apart<G: Together>(
    conn: &mut Conn,
    mut all: impl Iterator<Item = (G::Input, Sender<G::Output, G::Error>)> + Send,
    answers: &mut Vec<Answer>,
) -> Served {
    while let Some((input, sender)) = all.next() {
        let (result, lost) = in_savepoint(conn, std::slice::from_ref(&input), &G::work, tries(conn)).await;
        if lost.is_ok() && must_wait(conn, &result) {
            let rest = std::iter::once((input, sender)).chain(all);
            return Ok(rest.map(|(input, sender)| Wait::together::<G>(input, sender)).collect());
        }
        let result = result.and_then(|mut results| results.pop().expect("an answer for each"));
        answers.push(answer(sender, result));
        lost?;
    }
    Ok(Vec::new())
}

/// The task.
pub(crate) struct LaneTask {
    pub(crate) lane: usize,
    pub(crate) pools: Pools,
    pub(crate) changes: broadcast::Sender<Arc<Touched>>,
    pub(crate) news: Arc<News>,
    pub(crate) statements: Arc<Statements>,
}

impl LaneTask {
    /// Starts it; the receiver hears when it has ended.
    ///
    /// On SQLite it has a thread of its own: its statements run there, and a
    /// commit waits there for the disk.
    pub(crate) fn start(self, queue: mpsc::Receiver<Wait>) -> Result<oneshot::Receiver<()>> {
        let (ended, end) = oneshot::channel();
        let on_sqlite = matches!(self.pools, Pools::Sqlite { .. });
        let task = async move {
            self.run(queue).await;
            // Nobody waits for it if the store was dropped.
            let _ = ended.send(());
        };
        if on_sqlite {
            let thread = std::thread::Builder::new().name("zaijia-writer".to_owned());
            let runtime = tokio::runtime::Handle::current();
            let spawned = thread.spawn(move || {
                let _runtime = runtime.enter();
                futures::executor::block_on(task);
            });
            spawned.map_err(|error| Error::Unavailable(error.to_string()))?;
        } else {
            tokio::spawn(task);
        }
        Ok(end)
    }

    async fn run(self, mut queue: mpsc::Receiver<Wait>) {
        let mut waiting: VecDeque<Wait> = VecDeque::new();
        while let Some(first) = queue.recv().await {
            waiting.push_back(first);
            while waiting.len() < BATCH_MAX
                && let Ok(next) = queue.try_recv()
            {
                waiting.push_back(next);
            }
            let before = waiting.len();
            waiting.retain(|wait| !matches!(wait, Wait::Stop));
            if waiting.len() < before {
                queue.close();
            }
            while !waiting.is_empty() {
                self.batch_and_answer(&mut waiting).await;
            }
        }
    }

    /// One transaction: takes off those who were served. Who must wait for the next one stays.
    async fn batch_and_answer(&self, waiting: &mut VecDeque<Wait>) {
        let mut answers: Vec<Answer> = Vec::new();
        let (touched, done) = self.batch(waiting, &mut answers).await;
        if !touched.is_empty() {
            self.news.committed();
            // No listener is no error.
            let _ = self.changes.send(Arc::new(touched));
        }
        let size = answers.len();
        let failed = done.err().map(|error| {
            // Whoever was not served when the batch failed is dropped and hears of that.
            waiting.clear();
            tracing::error!(lane = self.lane, %error, units = size, "a batch was not committed");
            error.to_string()
        });
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most 500 units")]
        metrics::histogram!("zaijia_writer_batch_units").record(size as f64);
        for answer in answers {
            answer(failed.clone());
        }
    }

    /// Whether it was committed, and what it touched if it was or may have been.
    async fn batch(&self, waiting: &mut VecDeque<Wait>, answers: &mut Vec<Answer>) -> (Touched, Result<()>) {
        let mut touched = Touched::default();
        let mut conn = match self.begin().await {
            Ok(conn) => conn,
            Err(error) => return (touched, Err(error)),
        };
        let started = Instant::now();
        // A unit that panics is a defect; the lane goes on, on another connection.
        let ran = AssertUnwindSafe(self.units(&mut conn, waiting, answers)).catch_unwind().await;
        let ran = ran.unwrap_or_else(|_| Err(Error::Unavailable("a unit of work panicked".to_owned())));
        let done = match ran {
            Ok(()) => {
                // Where the answer to COMMIT is lost, it may be done: who is told looks for himself.
                touched = std::mem::take(&mut conn.touched);
                conn.commit().await
            }
            Err(error) => Err(error),
        };
        metrics::histogram!("zaijia_writer_batch_seconds").record(started.elapsed().as_secs_f64());
        if done.is_err() {
            discard(conn).await;
        }
        (touched, done)
    }

    /// Runs those who wait, until one of them must wait for the next transaction.
    async fn units(&self, conn: &mut Conn, waiting: &mut VecDeque<Wait>, answers: &mut Vec<Answer>) -> Result<()> {
        while let Some(next) = waiting.pop_front() {
            let unit_started = Instant::now();
            let ran = match next {
                Wait::Job(job) => job(conn, answers).await,
                Wait::One(One { kind, asked, run }) => {
                    let mut all = vec![asked];
                    all.extend(others(waiting, kind));
                    run(conn, all, answers).await
                }
                Wait::Stop => Ok(Vec::new()),
            };
            let took = unit_started.elapsed();
            if took > SLOW_UNIT {
                tracing::warn!(took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "slow unit of work");
            }
            let Ok(again) = ran else {
                return Err(Error::Unavailable("the connection was lost".to_owned()));
            };
            if !again.is_empty() {
                again.into_iter().rev().for_each(|wait| waiting.push_front(wait));
                break;
            }
        }
        self.news.note(conn).await
    }

    async fn begin(&self) -> Result<Conn> {
        let inner = match &self.pools {
            Pools::Sqlite { write, .. } => Inner::Sqlite(write.acquire().await?),
            Pools::Postgres { write, .. } => Inner::Postgres(Pg::new(write.acquire().await?)),
        };
        let mut conn = Conn::new(inner, Arc::clone(&self.statements));
        let begun = conn.raw(if conn.kind() == Kind::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" }).await;
        if let Err(error) = begun {
            discard(conn).await;
            return Err(error);
        }
        Ok(conn)
    }
}

/// Takes the others of a kind out of those who wait, in their order.
fn others(waiting: &mut VecDeque<Wait>, of: TypeId) -> Vec<Box<dyn Any + Send>> {
    let mut all = Vec::new();
    let mut rest = VecDeque::with_capacity(waiting.len());
    for wait in waiting.drain(..) {
        match wait {
            Wait::One(one) if one.kind == of && all.len() < TOGETHER_MAX - 1 => all.push(one.asked),
            other => rest.push_back(other),
        }
    }
    *waiting = rest;
    all
}

/// Closes a connection whose transaction must not live on.
async fn discard(conn: Conn) {
    let closed = match conn.inner {
        Inner::Sqlite(c) => c.discard(),
        Inner::Postgres(c) => c.close().await,
    };
    if let Err(error) = closed {
        tracing::debug!(%error, "closing a lost connection");
    }
}
