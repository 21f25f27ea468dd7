//! Looks at personal data by the staff's side: each is logged (who, whose,
//! what, when, why) before anything is shown.

use crate::{Error, Result, Shop};
use domain::ids::MemberId;
use std::collections::BTreeSet;
use store::exports::{self, OrderRow};
use store::looks::{self, LookRow};
use store::{Lane, Store};

/// Who looks, and why: told by whoever calls a use case that shows personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// A person of the staff, a token, or who runs a command.
    pub actor: String,
    /// What it is needed for.
    pub purpose: String,
}

impl Shop {
    /// A page of orders for a file, after the one of a store (its id) with an id. Each
    /// of their members is noted as looked at.
    ///
    /// # Errors
    /// Those of the database; then nothing is shown.
    pub async fn export_orders(&self, look: &Look, after: (&str, &str)) -> Result<Vec<OrderRow>> {
        let page = exports::orders(&mut self.store().read().await?, after).await?;
        let members: BTreeSet<&str> = page.iter().map(|row| row.member_id.as_str()).collect();
        let members = members.into_iter().map(str::to_owned).collect();
        self.log_looks(look, "masked phone, orders", members).await?;
        Ok(page)
    }

    /// Notes a look at the data of all members, such as a copy of the database.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn log_look_at_all(&self, look: &Look, what: &'static str) -> Result<()> {
        self.log_looks(look, what, vec![looks::ALL.to_owned()]).await
    }

    /// Who looked at a member's data, the newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn looks(&self, member: &MemberId) -> Result<Vec<LookRow>> {
        Ok(looks::of(&mut self.store().read().await?, member.as_str()).await?)
    }

    async fn log_looks(&self, look: &Look, what: &'static str, subjects: Vec<String>) -> Result<()> {
        if subjects.is_empty() {
            return Ok(());
        }
        let input = (look.clone(), subjects, self.now());
        let store: &Store = self.store();
        store
            .write(Lane::Background, input, move |conn, (look, subjects, now)| {
                Box::pin(async move {
                    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
                    looks::add(conn, &subjects, (&look.actor, what, &look.purpose), *now).await?;
                    Ok::<(), Error>(())
                })
            })
            .await
    }
}
