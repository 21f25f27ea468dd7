//! `faults`: what goes wrong in a shop, done on purpose while clients order and
//! pay. Afterwards every order and payment that was acknowledged must be there,
//! once and whole, and `zaijia check` must find the books right.
//!
//! | fault | what is done |
//! | --- | --- |
//! | `kill` | SIGKILL at a random moment, a proof of what was kept, a restart; all clients go on with their keys |
//! | `cut` | all the shop's connections to PostgreSQL are cut, again and again |
//! | `crash` | PostgreSQL crashes and is started again |
//! | `full` | the disk is filled to its last byte, and room is made again |
//! | `slow` | lines between clients, shop and PostgreSQL are slow and break half-way |
//! | `clock` | the shop's clock jumps by hours, forward and back |
//! | `half` | the server dies between a refund at the channel and the note of it |
//! | `gone` | a browser submits twice at once and goes away before the answer |
//! | `calls` | the payment channel repeats, reorders, misprices, forges, denies, delays and loses |

mod calls;
mod clock;
mod crash;
mod cut;
mod disk;
mod full;
mod gone;
mod half;
mod kill;
pub mod ledger;
mod load;
mod proxy;
mod slow;

use crate::figure::{Case, Report};
use crate::shop::Place;
use crate::{Common, Result};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::pin::Pin;

/// How much goes wrong; 0 leaves a fault out.
#[derive(Args, Debug)]
pub struct Faults {
    /// SIGKILLs
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// Cuts of all connections to PostgreSQL
    #[arg(long, default_value_t = 20)]
    cuts: usize,
    /// Crashes of PostgreSQL
    #[arg(long, default_value_t = 10)]
    crashes: usize,
    /// Times that the disk is full
    #[arg(long, default_value_t = 5)]
    fills: usize,
    /// Breaks of each line between clients, shop and database
    #[arg(long, default_value_t = 100)]
    breaks: usize,
    /// Jumps of the clock
    #[arg(long, default_value_t = 20)]
    jumps: usize,
    /// Deaths between a refund and its note
    #[arg(long, default_value_t = 20)]
    deaths: usize,
    /// Orders that are submitted twice by clients who go away
    #[arg(long, default_value_t = 100)]
    gone: usize,
    /// Payments of which the channel tells confusedly
    #[arg(long, default_value_t = 100)]
    calls: usize,
    /// A little of everything: what every test run does
    #[arg(long)]
    few: bool,
    /// Goes on, and says so, where this machine does not allow a fault; else that is an error
    #[arg(long)]
    may_leave_out: bool,
    /// Only this fault; may be given several times
    #[arg(long, value_name = "FAULT")]
    only: Vec<String>,
    /// Clients at once
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// What the random moments come from; a random one by default
    #[arg(long)]
    seed: Option<u64>,
}

/// On what a fault is done.
pub struct Ground<'a> {
    common: &'a Common,
    place: &'a Place,
    clients: usize,
    seed: u64,
    may_leave_out: bool,
}

impl Ground<'_> {
    /// The random numbers of a fault.
    fn rng(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }

    /// What is said of a fault that this machine does not allow: an error, unless it may
    /// be left out. The line is repeated at the end of a test run.
    fn leave_out(&self, fault: &str, why: &str) -> Result<Vec<Line>> {
        if !self.may_leave_out {
            return Err(format!("{why} (--may-leave-out goes on without it)").into());
        }
        eprintln!("LEFT OUT: the fault `{fault}` on {}: {why}", self.place.word());
        Ok(Vec::new())
    }
}

/// What was seen of a fault.
pub struct Line {
    metric: &'static str,
    unit: &'static str,
    values: Vec<f64>,
}

impl Line {
    fn of(metric: &'static str, unit: &'static str, number: usize) -> Self {
        Self { metric, unit, values: vec![count(number)] }
    }
}

type Done<'a> = Pin<Box<dyn Future<Output = Result<Vec<Line>>> + 'a>>;

impl Faults {
    /// Is it only a little of everything?
    pub fn is_short(&self) -> bool {
        self.few
    }

    /// Does all of it on one database.
    ///
    /// # Errors
    /// If anything acknowledged is lost or doubled, or the books are not right.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        let seed = self.seed.unwrap_or_else(rand::random);
        eprintln!("faults on {}: --seed {seed}", place.word());
        let ground = Ground { common, place, clients: self.clients, seed, may_leave_out: self.may_leave_out };
        let ground = &ground;
        let few = |many: usize, few: usize| if self.few { many.min(few) } else { many };
        // A fault that is left out is made, but not begun.
        let faults: [(&str, usize, Done<'_>); 9] = [
            ("kill", few(self.kills, 3), Box::pin(kill::run(ground, few(self.kills, 3)))),
            ("cut", few(self.cuts, 3), Box::pin(cut::run(ground, few(self.cuts, 3)))),
            ("crash", few(self.crashes, 1), Box::pin(crash::run(ground, few(self.crashes, 1)))),
            ("full", few(self.fills, 1), Box::pin(full::run(ground, few(self.fills, 1)))),
            ("slow", few(self.breaks, 10), Box::pin(slow::run(ground, few(self.breaks, 10)))),
            ("clock", few(self.jumps, 3), Box::pin(clock::run(ground, few(self.jumps, 3)))),
            ("half", few(self.deaths, 2), Box::pin(half::run(ground, few(self.deaths, 2)))),
            ("gone", few(self.gone, 20), Box::pin(gone::run(ground, few(self.gone, 20)))),
            ("calls", few(self.calls, 20), Box::pin(calls::run(ground, few(self.calls, 20)))),
        ];
        if let Some(unknown) = self.only.iter().find(|only| !faults.iter().any(|(name, ..)| name == only)) {
            return Err(format!("there is no fault `{unknown}`").into());
        }
        for (name, times, fault) in faults {
            if times == 0 || !(self.only.is_empty() || self.only.iter().any(|only| only == name)) {
                continue;
            }
            let lines = fault.await.map_err(|error| format!("{name} (--seed {seed}): {error}"))?;
            let case = Case { bench: "faults", case: name, db: place.word(), clients: self.clients };
            for Line { metric, unit, values } in lines {
                report.say(case, metric, unit, &values);
            }
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn count(number: usize) -> f64 {
    number as f64
}
