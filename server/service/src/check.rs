//! Proves the books: `zaijia check`.

use crate::{Result, Shop};
use std::fmt;
use store::checks::{Odd, PROOFS};

/// Something in the books that does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What should always hold.
    pub rule: &'static str,
    /// Where it does not.
    pub odd: Odd,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Odd { subject, expected, found } = &self.odd;
        write!(f, "{}: {subject}: expected {expected}, found {found}", self.rule)
    }
}

impl Shop {
    /// Runs every proof; an empty answer means that the books are right.
    ///
    /// The proofs read one after another: run it on a shop at rest, or take a
    /// finding on a busy one as a reason to look again.
    pub async fn check(&self) -> Result<Vec<Finding>> {
        let mut conn = self.store().read_at_leisure().await?;
        let mut findings = Vec::new();
        for proof in PROOFS {
            let odd = proof.run(&mut conn).await?;
            findings.extend(odd.into_iter().map(|odd| Finding { rule: proof.rule, odd }));
        }
        Ok(findings)
    }
}
