//! Work that no visitor asks for: holds that run out, the outbox, the sandbox's
//! callbacks, payments to ask about, delivery slots to open, mean sales.
//!
//! Any number of servers run the jobs of one database, and each is done once.
//! A hold ends by a conditional update. Rows that lead outside (outbox,
//! callbacks) and periodic jobs are claimed for a time, a lease: who claimed
//! does the work well within it, and if that server dies, the lease runs out and
//! another server claims anew.

use crate::{Error, Result, Shop};
use crate::{calendar, local};
use domain::Millis;
use domain::ids::StoreId;
use domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use store::Lane;
use store::outbox::{self, CLOCKS_MS, JobRow, OutboxRow};
use store::slots::{self, SlotRow, TemplateRow};

/// A claimed task falls due again if its server dies.
const LEASE_MS: i64 = 60 * SECOND_MS;
/// Tries of a task before it is given up, or said to hang, and staff must look.
const TRIES: i64 = 12;

/// What a run of the jobs did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Orders whose hold ran out.
    pub expired: usize,
    /// Tasks of the outbox taken.
    pub outbox: usize,
    /// Callbacks of the sandbox taken.
    pub callbacks: usize,
    /// Payments asked about.
    pub polled: usize,
}

impl Ran {
    /// Was there nothing to do?
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }
}

/// A periodic job is another server's after this time.
const JOB_LEASE_MS: i64 = 5 * MINUTE_MS;
/// One that failed is tried again after this time.
const JOB_AGAIN_MS: i64 = 10 * SECOND_MS;

/// Periodic jobs and how often they run; `dms` also when a day begins in a store.
const PERIODIC: [(&str, i64); 5] =
    [("slots", MINUTE_MS), ("counts", 10 * SECOND_MS), ("news", 30 * SECOND_MS), ("dms", HOUR_MS), ("tidy", HOUR_MS)];

impl Shop {
    /// Runs everything that is due, once. A job that fails is logged and does
    /// not keep the others from running.
    pub async fn run_due(&self, now: Millis) -> Ran {
        // A job is told the time at which it begins: those before it may have taken long.
        let began = self.now();
        let at = || now.plus(self.now().since(began).max(0));
        let ran = Ran {
            expired: logged("expire_holds", self.expire_holds(at()).boxed()).await,
            outbox: logged("outbox", self.run_outbox(at()).boxed()).await,
            callbacks: logged("sandbox_callbacks", self.deliver_callbacks(at()).boxed()).await,
            polled: logged("poll_payments", self.poll_payments(at()).boxed()).await,
        };
        logged("periodic", self.run_periodic(at()).boxed()).await;
        ran
    }

    /// Runs the outbox for somebody who waits; a failure is logged.
    pub async fn deliver_now(&self) {
        logged("outbox", self.run_outbox(self.now()).boxed()).await;
    }

    async fn run_periodic(&self, now: Millis) -> Result<()> {
        let rows = outbox::jobs(&mut self.store().read().await?).await?;
        let rows: HashMap<&str, &JobRow> = rows.iter().map(|row| (row.name.as_str(), row)).collect();
        for (name, every_ms) in PERIODIC {
            // Which mean sales fit may change with the day.
            let every_ms = if name == "dms" { every_ms.min(self.since_a_day_began(now).await?) } else { every_ms };
            let waits = rows.get(name).is_some_and(|row| !is_due(row, now, every_ms));
            if waits || !self.claim_job(name, now, every_ms).await? {
                continue;
            }
            let done = match name {
                "slots" => self.ensure_slots(now).await.map(|_| ()),
                "counts" => self.expire_counts(now).await.map(|_| ()),
                "news" => self.store().trim_news().await.map(|_| ()).map_err(Error::from),
                "dms" => self.refresh_dms(now).await.map(|_| ()),
                _ => self.tidy_members(now).await.map(|_| ()),
            };
            if let Err(error) = &done {
                tracing::error!(%error, job = name, "a job failed");
            }
            self.end_job(name, now, done.is_ok()).await?;
        }
        Ok(())
    }

    /// How long ago a day began in one of the stores, in milliseconds.
    async fn since_a_day_began(&self, now: Millis) -> Result<i64> {
        let snapshot = self.snapshot().await?;
        let since = snapshot.stores.iter().map(|store| {
            let zone = calendar::zone(&store.zone);
            now.since(calendar::start_of(&zone, calendar::day_of(&zone, now)))
        });
        Ok(since.min().unwrap_or(i64::MAX))
    }

    async fn claim_job(&self, name: &'static str, now: Millis, every_ms: i64) -> Result<bool> {
        let input = (name, self.store().process().to_owned(), now, every_ms);
        let work = self.store().write(Lane::Background, input, |conn, (name, owner, now, every_ms)| {
            Box::pin(async move {
                Ok::<bool, Error>(outbox::claim_job(conn, name, owner, *now, *every_ms, JOB_LEASE_MS).await?)
            })
        });
        work.await
    }

    async fn end_job(&self, name: &'static str, now: Millis, done: bool) -> Result<()> {
        let input = (name, self.store().process().to_owned(), now, done);
        let work = self.store().write(Lane::Background, input, |conn, (name, owner, now, done)| {
            Box::pin(async move {
                let again = now.plus(JOB_AGAIN_MS);
                Ok::<(), Error>(outbox::end_job(conn, name, owner, done.then_some(*now), again).await?)
            })
        });
        work.await
    }

    /// Opens the delivery and pick-up windows of the days to come, from the
    /// stores' templates in their zones. How many are new or changed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn ensure_slots(&self, now: Millis) -> Result<u64> {
        let mut conn = self.store().read().await?;
        let mut planned: Vec<(StoreId, Vec<SlotRow>)> = Vec::new();
        for (store, zone) in slots::store_zones(&mut conn).await? {
            let templates = slots::templates(&mut conn, &store).await?;
            let rows = windows(&templates, &calendar::zone(&zone), now, self.settings().slot_days);
            planned.push((store, rows));
        }
        drop(conn);
        let mut changed = 0;
        for (store, rows) in planned {
            let lane = store.clone();
            changed += self
                .store()
                .write(Lane::Store(lane.as_str()), (store, rows), |conn, (store, rows)| {
                    Box::pin(async move { Ok::<u64, Error>(slots::open(conn, store, rows).await?) })
                })
                .await?;
        }
        Ok(changed)
    }

    /// Has the outbox run at once: somebody waits for what the last commit wrote to it.
    pub(crate) fn wake_outbox(&self) {
        self.inner.outbox.notify_one();
    }

    /// Waits until a use case of this process has written to the outbox
    /// something that somebody waits for.
    pub async fn outbox_woken(&self) {
        self.inner.outbox.notified().await;
    }

    /// Does the tasks of the outbox that are due. How many were taken.
    ///
    /// # Errors
    /// Those of the database; a task that fails is tried again later.
    pub async fn run_outbox(&self, now: Millis) -> Result<usize> {
        if !outbox::any_due(&mut self.store().read().await?, now).await? {
            return Ok(0);
        }
        let began = self.now();
        let mut due = self
            .store()
            .write(Lane::Background, now, |conn, now| {
                Box::pin(async move { Ok::<_, Error>(outbox::claim(conn, *now, LEASE_MS, 100).await?) })
            })
            .await?;
        // Somebody waits for a code. The others one after another: a payment is opened before it is closed.
        due.sort_by_key(|task| task.kind != "sign_in_code");
        let taken = due.len();
        let mut due = due.into_iter();
        // Later it is not sure that the rest is still this server's.
        while self.now().since(began) <= LEASE_MS / 2
            && let Some(task) = due.next()
        {
            let done = AssertUnwindSafe(self.do_task(&task, now)).catch_unwind().await;
            let done = done.unwrap_or_else(|_| Err(Error::Internal("a task of the outbox panicked".to_owned())));
            if let Err(error) = self.end_task(task, done, now).await {
                self.give_back(due.collect(), now).await?;
                return Err(error);
            }
        }
        self.give_back(due.collect(), now).await?;
        Ok(taken)
    }

    /// Leaves tasks that nobody worked on to whoever comes next.
    async fn give_back(&self, tasks: Vec<OutboxRow>, now: Millis) -> Result<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        let work = self.store().write(Lane::Background, (tasks, now), |conn, (tasks, now)| {
            Box::pin(async move { Ok::<(), Error>(outbox::give_back(conn, tasks, *now).await?) })
        });
        work.await
    }

    async fn do_task(&self, task: &OutboxRow, now: Millis) -> Result<()> {
        match task.kind.as_str() {
            "payment_close" => self.do_close(&task.payload, now).await,
            "refund" => self.do_refund(&task.payload, now).await,
            "sign_in_code" => self.do_send_code(&task.payload, now).await,
            other => Err(Error::Internal(format!("the outbox knows no {other}"))),
        }
    }

    async fn end_task(&self, task: OutboxRow, done: Result<()>, now: Millis) -> Result<()> {
        let (error, due) = match &done {
            Ok(()) => (None, None),
            // Money that is owed is never given up: whoever looks is told that it hangs.
            Err(error) if task.tries >= TRIES && task.kind == "refund" => {
                tracing::error!(%error, task = task.key, tries = task.tries, "a refund hangs");
                metrics::counter!("zaijia_refund_failures_total").increment(1);
                self.refund_hangs(&task.payload, now).await?;
                (Some(error.to_string()), Some(now.plus(HOUR_MS)))
            }
            Err(error) if task.tries >= TRIES => {
                tracing::error!(%error, task = task.key, tries = task.tries, "a task of the outbox was given up");
                metrics::counter!("zaijia_outbox_dead_total").increment(1);
                (Some(error.to_string()), None)
            }
            Err(error) => {
                tracing::warn!(%error, task = task.key, tries = task.tries, "a task of the outbox failed");
                (Some(error.to_string()), Some(now.plus(back_off_ms(task.tries))))
            }
        };
        let input = (task, error, due);
        self.store()
            .write(Lane::Background, input, |conn, (task, error, due)| {
                Box::pin(async move {
                    match error {
                        None => outbox::done(conn, &task.id).await?,
                        Some(error) => outbox::failed(conn, task, error, *due).await?,
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// May a periodic job be claimed, as far as can be seen without claiming?
fn is_due(row: &JobRow, now: Millis, every_ms: i64) -> bool {
    let done = row.done_at > now.plus(-every_ms).0 && row.done_at <= now.plus(CLOCKS_MS).0;
    let held = row.until_at > now.0 && row.until_at <= now.plus(JOB_LEASE_MS + CLOCKS_MS).0;
    !done && !held
}

/// What a job answers; if it failed, nothing and an entry in the log. A job that
/// panics is a defect, and keeps no other from running.
async fn logged<T: Default>(job: &'static str, work: BoxFuture<'_, Result<T>>) -> T {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => {
            tracing::error!(%error, job, "a job failed");
            T::default()
        }
        Err(_) => {
            tracing::error!(job, "a job panicked");
            T::default()
        }
    }
}

/// 2 s after the first try, then twice as long each time, up to an hour.
fn back_off_ms(tries: i64) -> i64 {
    (SECOND_MS << tries.clamp(1, 20)).min(HOUR_MS)
}

/// The windows that templates open on the days from `now` on.
fn windows(templates: &[TemplateRow], zone: &TimeZone, now: Millis, days: i32) -> Vec<SlotRow> {
    let mut rows = Vec::new();
    for ahead in 0..days.clamp(1, 60) {
        let day = calendar::day_of(zone, now) + ahead;
        let date = calendar::date_of(day);
        let weekday = char::from(b'0' + date.weekday().to_monday_one_offset().unsigned_abs());
        for t in templates.iter().filter(|t| t.weekdays.contains(weekday)) {
            let starts = local::instant(date, t.start_min, zone);
            rows.push(SlotRow {
                id: format!("{}-{}-{}-{}", t.kind, date.strftime("%Y%m%d"), t.start_min, t.end_min),
                kind: t.kind.clone(),
                day: i64::from(day.0),
                starts_at: starts.0,
                ends_at: local::instant(date, t.end_min, zone).0,
                cutoff_at: starts.plus(-t.cutoff_min.saturating_mul(MINUTE_MS)).0,
                capacity: t.capacity,
                taken: 0,
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_open_on_their_weekdays() {
        let weekend = TemplateRow {
            kind: "delivery".to_owned(),
            start_min: 18 * 60,
            end_min: 20 * 60,
            weekdays: "67".to_owned(),
            capacity: 5,
            cutoff_min: 60,
        };
        let zone = calendar::zone("Asia/Shanghai");
        // Saturday 2026-11-21, 10:00 in Shanghai.
        let now = local::instant(jiff::civil::date(2026, 11, 21), 600, &zone);
        let rows = windows(&[weekend], &zone, now, 3);
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["delivery-20261121-1080-1200", "delivery-20261122-1080-1200"]);
        assert_eq!(rows[0].starts_at, now.plus(8 * HOUR_MS).0);
        assert_eq!(rows[0].cutoff_at, now.plus(7 * HOUR_MS).0);
    }

    #[test]
    fn a_job_waits_for_its_time_and_for_who_has_it() {
        let now = Millis(1_000_000_000);
        let row = |done_ms: i64, until_ms: i64| JobRow {
            done_at: now.plus(done_ms).0,
            until_at: if until_ms == 0 { 0 } else { now.plus(until_ms).0 },
            ..JobRow::default()
        };
        assert!(!is_due(&row(-MINUTE_MS + 1, 0), now, MINUTE_MS));
        assert!(is_due(&row(-MINUTE_MS, 0), now, MINUTE_MS));
        assert!(!is_due(&row(-HOUR_MS, SECOND_MS), now, MINUTE_MS), "another server has it");
        assert!(is_due(&row(-HOUR_MS, -SECOND_MS), now, MINUTE_MS), "that server died");
        assert!(!is_due(&row(SECOND_MS, 0), now, MINUTE_MS), "done by a server whose clock is ahead");
        assert!(!is_due(&row(-HOUR_MS, JOB_LEASE_MS + SECOND_MS), now, MINUTE_MS), "such a server has it");
        assert!(is_due(&row(HOUR_MS, HOUR_MS), now, MINUTE_MS), "the clock went back");
    }

    #[test]
    fn tasks_back_off_up_to_an_hour() {
        assert_eq!(back_off_ms(1), 2 * SECOND_MS);
        assert_eq!(back_off_ms(5), 32 * SECOND_MS);
        assert_eq!(back_off_ms(40), HOUR_MS);
    }
}
