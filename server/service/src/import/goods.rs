//! SKUs: read and tokenised on two threads while those before them are written.
//! Only SKUs that differ from what was imported last are written, so the same
//! file twice costs a reading.

use super::cells::{Cell, Cells};
use super::claim::Claim;
use super::report::{Bad, Reason};
use super::table::{Kind, Table, digest};
use super::writing::Writing;
use super::{Context, Outcome, Standing, places};
use crate::{Error, Result};
use domain::ids::{PoolId, SkuId};
use domain::safety::Policy;
use domain::{Base, Millis};
use std::collections::HashMap;
use std::sync::Arc;
use store::catalogue::{CategoryRecord, SkuRecord};
use store::goods::{Index, Known, Sold};
use store::tokens::{Maker, Naming, Tokens};
use tokio::sync::mpsc;

/// SKUs written in one unit of work: so few that nobody waits for them long.
const UNIT_ROWS: usize = 1_000;
/// Rows that are read at a time.
const CHUNK_ROWS: usize = 1_000;
/// Threads that read.
const READERS: usize = 2;

const ALLERGENS: [&str; 12] =
    ["gluten", "crustacean", "egg", "fish", "peanut", "soy", "milk", "nut", "celery", "mustard", "sesame", "sulphite"];
const DIETS: [&str; 6] = ["vegetarian", "vegan", "halal", "organic", "low_sugar", "gluten_free"];

/// A SKU as read; pool and ids are filled in afterwards.
struct SkuIn {
    line: u64,
    record: SkuRecord,
    pool_code: String,
    base_unit: &'static str,
    policy: Option<Policy>,
    digest: String,
    /// `None`: nothing differs from what was imported last.
    tokens: Option<Tokens>,
}

/// A SKU that a dry run would have written, so that later files can name it.
pub(super) struct Planned {
    code: String,
    barcode: String,
    pool_code: String,
    sku: SkuId,
    sold: Sold,
}

impl Planned {
    pub fn code_and_id(&self) -> (String, SkuId) {
        (self.code.clone(), self.sku.clone())
    }

    pub fn add_to(&self, index: &mut Index) {
        index.by_code.entry(self.code.clone()).or_insert_with(|| self.sold.clone());
        index.by_pool.entry(self.pool_code.clone()).or_insert_with(|| (self.sold.clone(), self.sku.clone()));
        if !self.barcode.is_empty() {
            index.by_barcode.entry(self.barcode.clone()).or_insert_with(|| self.sold.clone());
        }
    }
}

/// What reading a SKU needs to know; shared by the two threads.
struct Basis {
    known: HashMap<String, Known>,
    categories: HashMap<String, CategoryRecord>,
    /// Codes of a category and those above it, by its own code.
    category_paths: HashMap<String, Vec<String>>,
    /// Where each column of SKUs stands in the file, if it does.
    places: Vec<Option<usize>>,
}

impl Basis {
    fn new(known: HashMap<String, Known>, categories: &HashMap<String, CategoryRecord>, table: &Table) -> Self {
        let by_id: HashMap<_, _> = categories.values().map(|c| (&c.id, c)).collect();
        let path = |category: &CategoryRecord| {
            let mut codes = Vec::new();
            let mut at = Some(category);
            while let Some(c) = at.filter(|_| codes.len() < 32) {
                codes.push(c.code.clone());
                at = c.parent.as_ref().and_then(|id| by_id.get(id).copied());
            }
            codes
        };
        let category_paths = categories.iter().map(|(code, c)| (code.clone(), path(c))).collect();
        let places = Kind::Skus.columns().map(|column| table.columns.get(column).copied()).collect();
        Self { known, categories: categories.clone(), category_paths, places }
    }
}

fn sku_row(row: &Cells<'_>, basis: &Basis, maker: &mut Maker) -> Cell<SkuIn> {
    let record = sku_record(row, basis)?;
    let pool_code = row.opt_code("pool")?.unwrap_or_else(|| record.code.clone());
    let by_weight = record.by_weight;
    let base_unit = row.one_of("base_unit", &["piece", "g"], if by_weight { "g" } else { "piece" })?;
    let policy = row.policy("safety")?;
    let path = basis.category_paths.get(row.raw("category")).map(Vec::as_slice).unwrap_or_default();
    // Of what is read: a corrected heading changes a SKU, another order of the columns does not.
    let cell = |place: Option<usize>| place.and_then(|place| row.record().get(place)).unwrap_or_default();
    let mut all: Vec<&str> = basis.places.iter().copied().map(cell).collect();
    all.extend(path.iter().map(String::as_str));
    let digest = digest(all.join("\u{1f}").as_bytes());
    let same = basis.known.get(&record.code).is_some_and(|known| known.digest == digest);
    let tokens = (!same).then(|| tokens_of(&record, path, maker));
    Ok(SkuIn { line: row.line, record, pool_code, base_unit, policy, digest, tokens })
}

fn tokens_of(sku: &SkuRecord, path: &[String], maker: &mut Maker) -> Tokens {
    maker.index(&Naming {
        names: vec![&sku.brand_zh, &sku.name_zh, &sku.option_zh, &sku.brand_en, &sku.name_en, &sku.option_en],
        words: vec![&sku.size_zh, &sku.size_en],
        categories: path.iter().map(String::as_str).collect(),
        codes: vec![&sku.barcode, &sku.code],
    })
}

fn sku_record(row: &Cells<'_>, basis: &Basis) -> Cell<SkuRecord> {
    let code = row.code("code")?;
    let category = row.code("category")?;
    let found = basis.categories.get(&category).map(|c| c.id.clone());
    let category = found.ok_or_else(|| row.bad("category", Reason::Unknown { value: category }))?;
    let price = row.money("price")?;
    let member_price = row.opt_money("member_price")?;
    if member_price.is_some_and(|member| member > price) {
        return Err(row.bad("member_price", Reason::Above { other: "price" }));
    }
    let measure_amount = row.opt_int("measure_amount", 1, 100_000_000)?;
    let measure_unit = match measure_amount {
        Some(_) => row.one_of("measure_unit", &["g", "ml", "piece"], "")?,
        None => "",
    };
    let barcode = row.text("barcode", 32)?;
    if !barcode.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(row.bad("barcode", Reason::NotCode));
    }
    let age_limit = row.opt_int("age_limit", 1, 99)?.and_then(|age| u8::try_from(age).ok());
    Ok(SkuRecord {
        id: SkuId::default(),
        num: 0,
        product: row.opt_code("product")?.unwrap_or_else(|| code.clone()),
        code,
        name_zh: row.name("name_zh", 120)?,
        name_en: row.text("name_en", 200)?,
        option_zh: row.text("option_zh", 60)?,
        option_en: row.text("option_en", 80)?,
        brand_zh: row.text("brand_zh", 60)?,
        brand_en: row.text("brand_en", 80)?,
        barcode,
        category,
        size_zh: row.text("size_zh", 60)?,
        size_en: row.text("size_en", 80)?,
        by_weight: row.one_of("sold_by", &["piece", "weight"], "piece")? == "weight",
        pool: PoolId::default(),
        pack_size: Base(row.int("pack_size", 1, 10_000_000)?),
        price,
        member_price,
        measure_amount,
        measure_unit: measure_unit.to_owned(),
        allergens: row.list("allergens", &ALLERGENS)?,
        diet: row.list("diet", &DIETS)?,
        storage: row.one_of("storage", &["ambient", "chilled", "frozen"], "ambient")?.to_owned(),
        age_limit,
        counted: row.flag("counted")?,
        picture: row.text("picture", 80)?,
        description_zh: row.text("description_zh", 2_000)?,
        description_en: row.text("description_en", 3_000)?,
        active: row.one_of("status", &["on", "off"], "on")? == "on",
    })
}

/// Rows as read: good ones and bad ones.
type Chunk = (Vec<SkuIn>, Vec<Bad>);

/// Reads rows on threads of their own, each taking every other chunk.
struct Readers {
    chunks: Vec<mpsc::Receiver<Chunk>>,
    next: usize,
}

impl Readers {
    fn start(table: &Arc<Table>, basis: &Arc<Basis>) -> Self {
        let reader = |no: usize| {
            let (sender, chunks) = mpsc::channel(2);
            let (table, basis) = (table.clone(), basis.clone());
            tokio::task::spawn_blocking(move || {
                let mut maker = Maker::default();
                for first in (no * CHUNK_ROWS..table.rows.len()).step_by(READERS * CHUNK_ROWS) {
                    let range = first..(first + CHUNK_ROWS).min(table.rows.len());
                    let rows = table.cells_in(range).map(|row| sku_row(&row, &basis, &mut maker));
                    // Whoever reads no further has failed, and says so.
                    if sender.blocking_send(super::split(rows)).is_err() {
                        break;
                    }
                }
            });
            chunks
        };
        Self { chunks: (0..READERS).map(reader).collect(), next: 0 }
    }

    /// The next rows of the table, in its order.
    async fn next(&mut self) -> Option<Chunk> {
        let chunk = self.chunks[self.next].recv().await?;
        self.next = (self.next + 1) % READERS;
        Some(chunk)
    }
}

/// What a unit of work writes.
#[derive(Default)]
struct Batch {
    pools: Vec<(PoolId, String, String)>,
    skus: Vec<(SkuRecord, String)>,
    tokens: Vec<(i64, Tokens)>,
    /// Of each SKU its number, if it was there before.
    known: Vec<Option<i64>>,
    policies: Vec<(String, String, Option<Policy>)>,
}

impl Batch {
    /// Splits off the first SKUs, and all that they need.
    fn take(&mut self, skus: usize) -> Self {
        Self {
            pools: std::mem::take(&mut self.pools),
            policies: std::mem::take(&mut self.policies),
            skus: self.skus.drain(..skus).collect(),
            tokens: self.tokens.drain(..skus).collect(),
            known: self.known.drain(..skus).collect(),
        }
    }
}

/// Gives ids to SKUs and pools, and refuses what stands there twice or
/// contradicts its pool.
struct Assigner {
    pools: HashMap<String, (PoolId, String)>,
    lines: HashMap<String, u64>,
    last_num: i64,
}

impl Assigner {
    fn assign(&mut self, row: &mut SkuIn, basis: &Basis, new_pools: &mut Vec<(PoolId, String, String)>) -> Cell<()> {
        let bad = |column, reason| Bad::new(row.line, column, reason);
        if let Some(line) = self.lines.insert(row.record.code.clone(), row.line) {
            return Err(bad("code", Reason::Duplicate { line }));
        }
        match self.pools.get(&row.pool_code) {
            Some((_, unit)) if unit != row.base_unit => {
                return Err(bad("base_unit", Reason::OtherUnit { unit: unit.clone() }));
            }
            Some((id, _)) => row.record.pool = id.clone(),
            None => {
                let id = PoolId::trusted(store::new_id());
                row.record.pool = id.clone();
                self.pools.insert(row.pool_code.clone(), (id.clone(), row.base_unit.to_owned()));
                new_pools.push((id, row.pool_code.clone(), row.base_unit.to_owned()));
            }
        }
        if let Some(known) = basis.known.get(&row.record.code) {
            row.record.id = known.id.clone();
            row.record.num = known.num;
        } else {
            self.last_num += 1;
            row.record.id = SkuId::trusted(store::new_id());
            row.record.num = self.last_num;
        }
        Ok(())
    }
}

pub(super) async fn skus(context: &mut Context<'_>, table: &Arc<Table>) -> Result<Outcome> {
    let mut conn = context.shop.store().read().await?;
    let known = store::goods::known_skus(&mut conn).await?;
    let pools = store::goods::known_pools(&mut conn).await?;
    let last_num = store::goods::last_num(&mut conn).await?;
    drop(conn);
    let with_policy = places::known_policies(context, "sku").await?;
    let basis = Arc::new(Basis::new(known, &context.categories, table));
    let mut readers = Readers::start(table, &basis);
    let mut outcome = Outcome::default();
    let mut assigner = Assigner { pools, lines: HashMap::with_capacity(table.rows.len()), last_num };
    let mut batch = Batch::default();
    let mut writing = Writing::default();
    let mut done = 0;
    while let Some((rows, bad)) = readers.next().await {
        done += (rows.len() + bad.len()) as u64;
        outcome.bad.extend(bad);
        for mut row in rows {
            if let Err(bad) = assigner.assign(&mut row, &basis, &mut batch.pools) {
                outcome.bad.push(bad);
                continue;
            }
            let Some(tokens) = row.tokens.take() else {
                outcome.count(Standing::Unchanged, 1);
                continue;
            };
            let is_new = !basis.known.contains_key(&row.record.code);
            outcome.count(if is_new { Standing::New } else { Standing::Changed }, 1);
            if context.options.dry_run {
                context.planned.push(planned(&row));
                continue;
            }
            let id = row.record.id.to_string();
            if row.policy.is_some() || with_policy.contains_key(&(id.clone(), String::new())) {
                batch.policies.push((id, String::new(), row.policy));
            }
            batch.known.push((!is_new).then_some(row.record.num));
            batch.tokens.push((row.record.num, tokens));
            batch.skus.push((row.record, row.digest));
        }
        while batch.skus.len() >= UNIT_ROWS {
            writing.add(write(context.claim.clone(), batch.take(UNIT_ROWS), context.now)).await?;
            context.progress(done);
        }
    }
    let rest = batch.skus.len();
    if rest > 0 {
        writing.add(write(context.claim.clone(), batch.take(rest), context.now)).await?;
    }
    writing.finish().await?;
    context.index = None;
    Ok(outcome)
}

fn planned(row: &SkuIn) -> Planned {
    Planned {
        code: row.record.code.clone(),
        barcode: row.record.barcode.clone(),
        pool_code: row.pool_code.clone(),
        sku: row.record.id.clone(),
        sold: Sold {
            pool: row.record.pool.clone(),
            pack_size: row.record.pack_size.0,
            category: row.record.category.to_string(),
            counted: row.record.counted,
        },
    }
}

async fn write(claim: Claim, batch: Batch, now: Millis) -> Result<()> {
    let write = claim.write(batch, move |conn, batch| {
        Box::pin(async move {
            let known: Vec<i64> = batch.known.iter().flatten().copied().collect();
            store::goods::put_pools(conn, &batch.pools).await?;
            store::goods::put_skus(conn, &batch.skus, now).await?;
            store::dialect::index_skus(conn, &batch.tokens, &known).await?;
            places::put_policies(conn, "sku", &batch.policies).await?;
            conn.touch_catalogue();
            Ok::<_, Error>(())
        })
    });
    write.await
}
