//! The feed from the tills: stock snapshots, till sales and receipts, in
//! batches.
//!
//! A batch has a key of its own. The same key with the same content gets the
//! answer of the first time and changes nothing; with another content it is
//! refused (`key_reused`). Rows that name unknown goods, or by a barcode those of
//! several pools, are reported one by one and the others are applied. A snapshot
//! that is older than what is known is late and does nothing; sales that a snapshot
//! contains already count for the mean daily sales only. Goods that are counted by
//! hand every day read as nothing when the day is over, whoever told their level.

use crate::stock::Terms;
use crate::{Error, Result, Shop, calendar};
use domain::ids::{CategoryId, StoreId};
use domain::stock::Kind;
use domain::time::Day;
use domain::{Base, Code, Millis, UserError};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use store::feeds::Answered;
use store::goods::{Index, Sold};
use store::stock::{Applied, Flow, Statement};
use store::{Conn, Lane};

/// Rows that a batch may have.
pub const MAX_ROWS: usize = 10_000;
/// Base units that a row may state: a safeguard against slipped columns.
const MAX_UNITS: i64 = 1_000_000_000;
/// A row may be so far ahead of the server's clock, in milliseconds.
pub(crate) const MAX_AHEAD_MS: i64 = 5 * domain::time::MINUTE_MS;

/// What a batch tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchKind {
    /// What is on hand, in base units.
    Snapshot,
    /// What was counted by hand, in base units.
    Count,
    /// What the tills sold, in packs.
    Sales,
    /// What came in, in packs.
    Receipts,
}

/// A row of a batch: names its goods by one of `sku`, `barcode`, `pool`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Code of the SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Barcode of the SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// Code of the pool of base units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// On hand in base units (snapshot, count), or packs (sales, receipts; base units when the pool is named).
    pub quantity: i64,
    /// When it was true or happened: UTC milliseconds.
    pub at: i64,
    /// Sold under a promotion?
    #[serde(default)]
    pub promo: bool,
}

/// A batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The batch's own key, 1 to 100 characters without control characters; the same for a repetition.
    pub key: String,
    /// Code of the store.
    pub store: String,
    /// What it tells.
    pub kind: BatchKind,
    /// Its rows, at most [`MAX_ROWS`].
    pub rows: Vec<Row>,
}

/// A row that could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRow {
    /// Its number, from 0.
    pub row: usize,
    /// What is wrong with it.
    pub error: UserError,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAnswer {
    /// Rows that were applied.
    pub applied: usize,
    /// Rows that were known already.
    pub repeated: usize,
    /// Statements older than what is known: nothing done.
    pub late: usize,
    /// Rows that could not be applied.
    pub bad: Vec<BadRow>,
}

/// The rows of a batch, understood.
#[derive(Debug)]
enum Understood {
    Statements(Vec<Statement>),
    Flows(Vec<Flow>),
}

#[derive(Debug)]
struct Job {
    store: StoreId,
    key: String,
    source: String,
    hash: String,
    understood: Understood,
    bad: Vec<BadRow>,
    now: Millis,
}

impl Shop {
    /// Applies a batch from `source` (the API token's name).
    ///
    /// # Errors
    /// `invalid` (key, store), `too_large` (rows), `key_reused`, `busy`.
    pub async fn apply_batch(&self, source: &str, batch: &Batch) -> Result<BatchAnswer> {
        if batch.key.is_empty() || batch.key.len() > 100 || batch.key.contains(char::is_control) {
            return Err(UserError::invalid("key").into());
        }
        if batch.rows.len() > MAX_ROWS {
            return Err(UserError::new(Code::TooLarge).with("max", MAX_ROWS).into());
        }
        let Some(store) = self.store_by_code(&batch.store).await? else {
            return Err(UserError::invalid("store").into());
        };
        let hash = digest(batch)?;
        let mut conn = self.store().read().await?;
        if let Some(known) = store::feeds::answered(&mut conn, &store, &batch.key).await? {
            return repeated(&known, &hash);
        }
        let job = self.understand(&mut conn, source, store.clone(), batch, hash.clone()).await?;
        drop(conn);
        let lane = Lane::Store(store.as_str());
        let applied = self.store().write(lane, job, |conn, job| Box::pin(apply_in_tx(conn, job))).await;
        let Err(Error::Store(store::Error::Constraint(_))) = applied else { return applied };
        // It came to another server at the same moment, which was first.
        let known = store::feeds::answered(&mut self.store().read().await?, &store, &batch.key).await?;
        known.map_or(applied, |known| repeated(&known, &hash))
    }

    async fn understand(
        &self,
        conn: &mut Conn,
        source: &str,
        store: StoreId,
        batch: &Batch,
        hash: String,
    ) -> Result<Job> {
        // Nothing is named by a text with a NUL in it, and PostgreSQL takes none.
        let names: Vec<&str> = batch.rows.iter().filter_map(name_of).filter(|name| !name.contains('\0')).collect();
        let index = store::goods::index_of(conn, &names).await?;
        let record = store::stores::all(conn).await?.into_iter().find(|s| s.id == store);
        let zone = calendar::zone(record.as_ref().map_or("UTC", |s| s.zone.as_str()));
        let categories = store::catalogue::categories(conn).await?;
        let terms = Terms::new(&categories, store::catalogue::all_policies(conn).await?);
        let holds_day = |id: &CategoryId| categories.iter().find(|c| c.id == *id).is_none_or(|c| c.count_holds_day);
        let reader = Reader { store: &store, index: &index, terms: &terms, batch, now: self.now() };
        let (mut statements, mut flows, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for (no, row) in batch.rows.iter().enumerate() {
            let sold = match reader.goods(row) {
                Ok(sold) => sold,
                Err(error) => {
                    bad.push(BadRow { row: no, error });
                    continue;
                }
            };
            let category = CategoryId::trusted(sold.category.clone());
            let at = Millis(row.at);
            let day = calendar::day_of(&zone, at);
            let by_hand = batch.kind == BatchKind::Count || sold.counted;
            let until = (by_hand && holds_day(&category)).then(|| calendar::start_of(&zone, day + 1));
            match batch.kind {
                BatchKind::Snapshot | BatchKind::Count => statements.push(reader.statement(no, row, sold, until)),
                BatchKind::Sales | BatchKind::Receipts => flows.push(reader.flow(no, row, sold, (day, until))),
            }
        }
        let is_statement = matches!(batch.kind, BatchKind::Snapshot | BatchKind::Count);
        let understood = if is_statement { Understood::Statements(statements) } else { Understood::Flows(flows) };
        let (key, source, now) = (batch.key.clone(), source.to_owned(), self.now());
        Ok(Job { store, key, source, hash, understood, bad, now })
    }
}

struct Reader<'a> {
    store: &'a StoreId,
    index: &'a Index,
    terms: &'a Terms,
    batch: &'a Batch,
    now: Millis,
}

impl<'a> Reader<'a> {
    /// The goods that a row names, if its other values are sound, too.
    fn goods(&self, row: &Row) -> std::result::Result<&'a Sold, UserError> {
        let lowest = if self.batch.kind == BatchKind::Sales { -MAX_UNITS } else { 0 };
        if !(lowest..=MAX_UNITS).contains(&row.quantity) {
            return Err(UserError::invalid("quantity"));
        }
        if row.at <= 0 || row.at > self.now.plus(MAX_AHEAD_MS).0 {
            return Err(UserError::invalid("at"));
        }
        if row.sku.is_none()
            && let Some(code) = row.barcode.as_ref().filter(|code| self.index.ambiguous.contains(*code))
        {
            return Err(UserError::invalid("barcode").with("value", code));
        }
        let by_sku = row.sku.as_ref().map(|code| self.index.by_code.get(code));
        let by_barcode = || row.barcode.as_ref().map(|code| self.index.by_barcode.get(code));
        let by_pool = || row.pool.as_ref().map(|code| self.index.by_pool.get(code).map(|(sold, _)| sold));
        let found = by_sku.or_else(by_barcode).or_else(by_pool).flatten();
        found.ok_or_else(|| UserError::new(Code::NotFound).field("sku").with("value", name_of(row).unwrap_or_default()))
    }

    fn policy(&self, sold: &Sold) -> domain::safety::Policy {
        let category = CategoryId::trusted(sold.category.clone());
        let sku = self.index.of_pool.get(&sold.pool).map(|(sku, _)| sku);
        self.terms.policy(self.store, sku, &category).0
    }

    fn key(&self, no: usize) -> String {
        format!("feed:{}:{no}", self.batch.key)
    }

    fn statement(&self, no: usize, row: &Row, sold: &Sold, counted_until: Option<Millis>) -> Statement {
        Statement {
            pool: sold.pool.clone(),
            kind: if self.batch.kind == BatchKind::Count { Kind::Count } else { Kind::Snapshot },
            on_hand: Base(row.quantity),
            at: Millis(row.at),
            counted_until,
            policy: self.policy(sold),
            key: self.key(no),
        }
    }

    fn flow(&self, no: usize, row: &Row, sold: &Sold, (day, counted_until): (Day, Option<Millis>)) -> Flow {
        let in_base_units = row.sku.is_none() && row.barcode.is_none();
        let pack_size = if in_base_units { 1 } else { sold.pack_size };
        Flow {
            pool: sold.pool.clone(),
            kind: if self.batch.kind == BatchKind::Sales { Kind::TillSale } else { Kind::Receipt },
            quantity: Base(row.quantity.saturating_mul(pack_size)),
            at: Millis(row.at),
            day,
            promo: row.promo,
            counted_until,
            policy: self.policy(sold),
            key: self.key(no),
        }
    }
}

fn name_of(row: &Row) -> Option<&str> {
    row.sku.as_deref().or(row.barcode.as_deref()).or(row.pool.as_deref())
}

/// SHA-256 of a batch's content, in hex.
fn digest(batch: &Batch) -> Result<String> {
    let body = serde_json::to_vec(batch)?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let mut hex = String::with_capacity(64);
    for byte in digest.as_ref() {
        write!(hex, "{byte:02x}").map_err(|e| Error::Internal(e.to_string()))?;
    }
    Ok(hex)
}

fn repeated(known: &Answered, hash: &str) -> Result<BatchAnswer> {
    if known.body_hash != hash {
        return Err(Code::KeyReused.into());
    }
    Ok(serde_json::from_str(&known.answer)?)
}

async fn apply_in_tx(conn: &mut Conn, job: &Job) -> Result<BatchAnswer> {
    // A repetition may have overtaken this one on its way here.
    if let Some(known) = store::feeds::answered(conn, &job.store, &job.key).await? {
        return repeated(&known, &job.hash);
    }
    let Applied { applied, repeated, late, .. } = match &job.understood {
        Understood::Statements(rows) => store::stock::apply_statements(conn, &job.store, rows, job.now).await?,
        Understood::Flows(rows) => store::stock::apply_flows(conn, &job.store, rows, job.now).await?,
    };
    let answer = BatchAnswer { applied, repeated, late, bad: job.bad.clone() };
    let kept = Answered { body_hash: job.hash.clone(), answer: serde_json::to_string(&answer)? };
    store::feeds::keep(conn, (&job.store, &job.key, &job.source), &kept, job.now).await?;
    Ok(answer)
}
