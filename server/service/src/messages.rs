//! The member's message box: what the shop did by itself and has to say so,
//! such as money that went back because it came too late.

use crate::{Error, Result, Shop, Visit};
use crate::{calendar, local};
use domain::view::MessageView;
use domain::{Fen, Millis};
use store::messages::{self, MessageRow};
use store::{Lane, slots};

/// Messages on the page; older ones are told by their orders.
const MOST: i64 = 100;

impl Shop {
    /// The member's messages, newest first.
    ///
    /// # Errors
    /// `sign_in_first`.
    pub async fn messages(&self, visit: &Visit) -> Result<Vec<MessageView>> {
        let member = visit.member()?;
        let mut conn = self.store().read().await?;
        let rows = messages::of_member(&mut conn, member, MOST).await?;
        let store = slots::store_terms(&mut conn, &visit.store).await?.unwrap_or_default();
        drop(conn);
        let zone = calendar::zone(&store.zone);
        let at = |row: &MessageRow| local::day_and_time(Millis(row.at), &zone, visit.lang);
        Ok(rows.iter().map(|row| view(row, at(row))).collect())
    }

    /// Marks the messages up to `up_to` as read: those that the page showed,
    /// not one that came meanwhile.
    ///
    /// # Errors
    /// `sign_in_first`.
    pub async fn read_messages(&self, visit: &Visit, up_to: Millis) -> Result<()> {
        let member = visit.member()?;
        let input = (member.clone(), up_to, visit.now);
        self.store()
            .write(Lane::Member(member.as_str()), input, |conn, (member, up_to, now)| {
                Box::pin(async move {
                    messages::mark_read(conn, member, *up_to, *now).await?;
                    Ok::<(), Error>(())
                })
            })
            .await
    }
}

fn view(row: &MessageRow, at_text: String) -> MessageView {
    let detail: Vec<(String, String)> = serde_json::from_str(&row.detail).unwrap_or_default();
    let value = |name: &str| detail.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    MessageView {
        kind: row.kind.clone(),
        at: Millis(row.at),
        at_text,
        order: value("order"),
        amount: value("amount").and_then(|fen| fen.parse().ok()).map(Fen),
        unread: row.read_at.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_order_and_amount() {
        let row = MessageRow {
            id: "m1".to_owned(),
            kind: "late_payment".to_owned(),
            detail: r#"[["order","ABCD"],["amount","1750"]]"#.to_owned(),
            at: 1,
            read_at: None,
        };
        let shown = view(&row, String::new());
        assert_eq!((shown.order.as_deref(), shown.amount, shown.unread), (Some("ABCD"), Some(Fen(1_750)), true));
        let other = view(&MessageRow { detail: String::new(), read_at: Some(2), ..row }, String::new());
        assert_eq!((other.order, other.amount, other.unread), (None, None, false));
    }
}
