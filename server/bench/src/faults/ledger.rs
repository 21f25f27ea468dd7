//! What the shop acknowledged, beside what its database says.

use crate::Result;
use crate::buyers::Buyer;
use crate::http::Client;
use crate::shop::Shop;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An answer must come within this time, if it comes.
const PATIENCE: Duration = Duration::from_secs(40);
/// Lines of a buyer's basket.
const LINES: i64 = 5;

/// What one buyer was told so far.
#[derive(Debug)]
pub struct Tale {
    buyer: Buyer,
    told: Mutex<Told>,
}

#[derive(Clone, Debug, Default)]
struct Told {
    code: Option<String>,
    trade: Option<String>,
    paid: bool,
}

impl Tale {
    /// Of a buyer who has not ordered.
    pub fn new(buyer: Buyer) -> Self {
        Self { buyer, told: Mutex::default() }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on from where it was: orders (again, with the same key), asks for
    /// the channel's page, pays.
    ///
    /// # Errors
    /// If the connection breaks, the shop refuses, or the same key gave another order.
    pub async fn go_on(&self, client: &mut Client) -> Result {
        tokio::time::timeout(PATIENCE, self.all(client)).await?
    }

    async fn all(&self, client: &mut Client) -> Result {
        let code = self.buyer.place(client).await??;
        self.is_same(&code)?;
        self.told().code = Some(code.clone());
        let known = self.told().trade.clone();
        let trade = match known {
            Some(trade) => trade,
            None => self.buyer.open_payment(client, &code).await?,
        };
        self.told().trade = Some(trade.clone());
        self.buyer.pay(client, &trade).await?;
        self.told().paid = true;
        Ok(())
    }

    fn is_same(&self, code: &str) -> Result {
        match &self.told().code {
            Some(known) if known != code => {
                Err(format!("the key {} gave order {known}, and now {code}", self.buyer.key()).into())
            }
            _ => Ok(()),
        }
    }

    /// Has the channel's own books say, too, that it was paid: the news came from
    /// the bench in its name. Without it the channel sends nothing back.
    ///
    /// # Errors
    /// If the channel refuses.
    pub async fn book_at_channel(&self, client: &mut Client) -> Result {
        let trade = self.told().trade.clone().ok_or("nothing was paid")?;
        self.buyer.at_channel(client, &trade, "lose").await
    }

    /// Calls the order off.
    ///
    /// # Errors
    /// If it was not ordered yet, or the shop refuses.
    pub async fn call_off(&self, client: &mut Client) -> Result {
        let code = self.told().code.clone().ok_or("nothing was ordered")?;
        self.buyer.call_off(client, &code).await
    }

    /// Ordered and paid, as far as it knows?
    pub fn is_done(&self) -> bool {
        self.told().paid
    }
}

/// Everything that was acknowledged, by idempotency key.
#[derive(Debug, Default)]
pub struct Ledger {
    acknowledged: HashMap<String, (String, bool)>,
    /// Where orders may be called off meanwhile, all money that came may have gone back.
    back: bool,
}

impl Ledger {
    /// Takes what buyers were told.
    pub fn take(&mut self, tales: &[Tale]) {
        for tale in tales {
            let told = tale.told();
            if let Some(code) = &told.code {
                self.acknowledged.insert(tale.buyer.key().to_owned(), (code.clone(), told.paid));
            }
        }
    }

    /// Orders may have been called off: a payment may have gone back whole.
    pub fn money_may_go_back(&mut self) {
        self.back = true;
    }

    /// How many orders were acknowledged.
    pub fn len(&self) -> usize {
        self.acknowledged.len()
    }

    /// All that was acknowledged is in the database, once and whole.
    ///
    /// # Errors
    /// With the first that is not.
    pub async fn prove(&self, shop: &Shop) -> Result {
        let store = shop.store().await?;
        let mut conn = store.read().await?;
        let sql = "SELECT o.idempotency_key, o.code, o.state, o.paid, o.total, o.refunded, (SELECT COUNT(*) FROM order_line l \
                   WHERE l.store_id = o.store_id AND l.order_id = o.id) FROM orders o";
        let rows: Vec<(String, String, String, i64, i64, i64, i64)> = conn.all(sql, &[]).await?;
        let sql = "SELECT COUNT(*) FROM (SELECT order_id FROM payment WHERE confirmed_at IS NOT NULL \
                   GROUP BY store_id, order_id HAVING COUNT(*) > 1) twice";
        let paid_twice = conn.int(sql, &[]).await?;
        drop(conn);
        store.close().await;
        if paid_twice > 0 {
            return Err(format!("{paid_twice} orders were paid twice").into());
        }
        let mut found = HashMap::new();
        for (key, code, state, paid, total, refunded, lines) in rows {
            if lines != LINES {
                return Err(format!("order {code} has {lines} lines").into());
            }
            if let Some((other, ..)) = found.insert(key, (code.clone(), state, paid, total, refunded)) {
                return Err(format!("one key gave the orders {other} and {code}").into());
            }
        }
        for (key, (code, was_paid)) in &self.acknowledged {
            let Some((found, state, paid, total, refunded)) = found.get(key) else {
                return Err(format!("order {code} was acknowledged and is lost").into());
            };
            if found != code {
                return Err(format!("order {code} was acknowledged, the database has {found} under its key").into());
            }
            let has_gone_back = self.back && paid == total && refunded == paid;
            if *was_paid && !has_gone_back && (state != "paid" || paid != total) {
                return Err(format!("order {code} was paid, the database says {state}, {paid} of {total}").into());
            }
        }
        Ok(())
    }
}
