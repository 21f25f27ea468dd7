//! `faults`: what goes wrong in a shop, done on purpose while clients order and
//! pay. Afterwards every order and payment that was acknowledged must be there,
//! once and whole, and `zaijia check` must find the books right.
//!
//! | fault | what is done |
//! | --- | --- |
//! | `kill` | SIGKILL at a random moment, a proof of what is on the disk, a restart; all clients go on with their keys |
//! | `cut` | all the shop's connections to PostgreSQL are cut, again and again |
//! | `gone` | a browser submits twice at once and goes away before the answer |
//! | `calls` | the payment channel repeats, reorders, misprices, forges and denies |

mod calls;
mod cut;
mod gone;
mod kill;
pub mod ledger;

use crate::figure::{Case, Report};
use crate::shop::Place;
use crate::{Common, Result};
use clap::Args;

/// How much goes wrong.
#[derive(Args, Debug)]
pub struct Faults {
    /// SIGKILLs; 0 leaves them out
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// Cuts of all connections to PostgreSQL; 0 leaves them out
    #[arg(long, default_value_t = 20)]
    cuts: usize,
    /// Orders that are submitted twice by clients who go away
    #[arg(long, default_value_t = 100)]
    gone: usize,
    /// Payments of which the channel tells confusedly
    #[arg(long, default_value_t = 100)]
    calls: usize,
    /// Clients at once
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// What the random moments come from; a random one by default
    #[arg(long)]
    seed: Option<u64>,
}

impl Faults {
    /// Does all of it on one database.
    ///
    /// # Errors
    /// If anything acknowledged is lost or doubled, or the books are not right.
    pub async fn run(&self, common: &Common, place: &Place, report: &Report) -> Result {
        let seed = self.seed.unwrap_or_else(rand::random);
        eprintln!("faults on {}: --seed {seed}", place.word());
        let case = |case| Case { bench: "faults", case, db: place.word(), clients: self.clients };
        if self.kills > 0 {
            let saw = kill::run(common, place, (self.kills, self.clients), seed).await.map_err(at(seed, "kill"))?;
            let case = case("kill");
            report.say(case, "kills", "", &[count(self.kills)]);
            report.say(case, "acknowledged", "orders", &[count(saw.acknowledged)]);
            report.say(case, "in the air", "orders", &[count(saw.in_the_air)]);
            report.say(case, "lost or doubled", "orders", &[0.0]);
            report.say(case, "start to ready", "ms", &saw.ready_ms);
        }
        if let Place::Postgres(admin) = place
            && self.cuts > 0
        {
            let saw =
                cut::run(common, (place, admin), (self.cuts, self.clients), seed).await.map_err(at(seed, "cut"))?;
            let case = case("cut");
            report.say(case, "cuts", "connections", &[count(saw.cut)]);
            report.say(case, "acknowledged", "orders", &[count(saw.acknowledged)]);
            report.say(case, "failed answers", "", &[count(saw.failed)]);
            report.say(case, "lost or doubled", "orders", &[0.0]);
        }
        if self.gone > 0 {
            let there = gone::run(common, place, self.gone, seed).await.map_err(at(seed, "gone"))?;
            report.say(case("gone"), "placed unseen", "orders", &[count(there)]);
            report.say(case("gone"), "doubled", "orders", &[0.0]);
        }
        if self.calls > 0 {
            let told = calls::run(common, place, (self.calls, self.clients), seed).await.map_err(at(seed, "calls"))?;
            report.say(case("calls"), "callbacks", "", &[count(told)]);
            report.say(case("calls"), "wrongly booked", "payments", &[0.0]);
        }
        Ok(())
    }
}

fn at(seed: u64, fault: &'static str) -> impl Fn(crate::Error) -> crate::Error {
    move |error| format!("{fault} (--seed {seed}): {error}").into()
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn count(number: usize) -> f64 {
    number as f64
}
