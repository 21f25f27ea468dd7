//! One import at a time, whichever process it runs in. An import chooses ids and
//! numbers by what is there and writes them in many units, so two at once would
//! leave SKUs on pools and categories that do not exist.
//!
//! Who imports has a claim in the database. Each of its units is written only
//! while it has, and renews it. That of an import that was broken off runs out.

use crate::{Error, Result, Shop};
use domain::time::{MINUTE_MS, SECOND_MS};
use domain::{Code, Millis, UserError};
use std::sync::Arc;
use store::{Conn, Lane, Unit, outbox};

/// Its name among the periodic jobs.
const JOB: &str = "import";
/// It runs out after this time, unless it is renewed.
const LEASE_MS: i64 = 2 * MINUTE_MS;

/// The claim of an import.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    shop: Shop,
    owner: String,
}

impl Claim {
    /// One that is yet to be taken: nothing can be written by it.
    pub fn new(shop: &Shop) -> Self {
        Self { shop: shop.clone(), owner: store::new_id() }
    }

    /// Takes it.
    ///
    /// # Errors
    /// `busy` while another import has it.
    pub async fn take(&self) -> Result<()> {
        let input = (self.owner.clone(), self.shop.now());
        let work = self.shop.store().write(Lane::Background, input, |conn, (owner, now)| {
            Box::pin(async move { Ok::<bool, Error>(outbox::claim_job(conn, JOB, owner, *now, 0, LEASE_MS).await?) })
        });
        if work.await? { Ok(()) } else { Err(others()) }
    }

    /// Writes a unit of the import, and renews the claim with it.
    ///
    /// # Errors
    /// `busy` if another import has taken it, as it ran out; else what `work` answers.
    pub async fn write<I, T, F>(&self, input: I, work: F) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Conn, &'c I) -> Unit<'c, T, Error> + Send + Sync + 'static,
    {
        let until = self.shop.now().plus(LEASE_MS);
        let (input, work) = ((self.owner.clone(), until, input), Arc::new(work));
        let unit = self.shop.store().write(Lane::Background, input, move |conn, (owner, until, input)| {
            let work = Arc::clone(&work);
            Box::pin(async move {
                if !outbox::renew_job(conn, JOB, owner, *until).await? {
                    return Err(others());
                }
                work(conn, input).await
            })
        });
        unit.await
    }

    /// Gives it back, so that the next import need not wait.
    pub async fn give_back(&self) {
        let work = self.shop.store().write(Lane::Background, self.owner.clone(), |conn, owner| {
            // It was never "done": the next one may follow at once, by whichever clock.
            Box::pin(async move { Ok::<(), Error>(outbox::end_job(conn, JOB, owner, None, Millis(0)).await?) })
        });
        if let Err(error) = work.await {
            tracing::warn!(%error, "the claim of an import was not given back, and runs out by itself");
        }
    }
}

/// Another import has the claim.
fn others() -> Error {
    UserError::new(Code::Busy).with("retry_s", LEASE_MS / SECOND_MS).with("what", "import").into()
}
