//! Stock levels and hand counts; till sales of past days.

use super::cells::{Cell, Cells};
use super::claim::Claim;
use super::report::{Bad, Reason};
use super::table::Table;
use super::writing::Writing;
use super::{Context, Outcome, Standing, joined, split};
use crate::calendar;
use crate::stock::Terms;
use crate::{Error, Result, Shop};
use domain::ids::{CategoryId, PoolId, StoreId};
use domain::stock::Kind;
use domain::time::Day;
use domain::{Base, Millis};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use store::goods::Index;
use store::stock::{Applied, SaleDay, Statement};
use store::stores::StoreRecord;

/// Rows written in one unit of work.
const UNIT_ROWS: usize = 1_000;

/// A store with its zone.
struct Place {
    id: StoreId,
    zone: TimeZone,
}

fn places(stores: &HashMap<String, StoreRecord>) -> HashMap<String, Place> {
    stores.iter().map(|(code, s)| (code.clone(), Place { id: s.id.clone(), zone: calendar::zone(&s.zone) })).collect()
}

fn place<'a>(row: &Cells<'_>, places: &'a HashMap<String, Place>) -> Cell<&'a Place> {
    let code = row.code("store")?;
    places.get(&code).ok_or_else(|| row.bad("store", Reason::Unknown { value: code }))
}

struct StockReader {
    places: HashMap<String, Place>,
    index: Arc<Index>,
    /// Do hand counts of this category hold for a day only?
    holds_day: HashMap<CategoryId, bool>,
    terms: Terms,
    anchor: Millis,
    now: Millis,
}

impl StockReader {
    fn row(&self, row: &Cells<'_>) -> Cell<(StoreId, Statement)> {
        let place = place(row, &self.places)?;
        let code = row.code("pool")?;
        let pooled = self.index.by_pool.get(&code).map(|(sold, sku)| (sold, Some(sku)));
        let found = pooled.or_else(|| self.index.by_code.get(&code).map(|sold| (sold, None)));
        let Some((sold, sku)) = found else {
            return Err(row.bad("pool", Reason::Unknown { value: code }));
        };
        let at = row.past("as_of", &place.zone, self.anchor, self.now)?;
        let on_hand = Base(row.int("on_hand", 0, 1_000_000_000_000)?);
        let kind = match row.one_of("kind", &["snapshot", "count"], "snapshot")? {
            "count" => Kind::Count,
            _ => Kind::Snapshot,
        };
        let category = CategoryId::trusted(sold.category.clone());
        let holds_day = self.holds_day.get(&category).copied().unwrap_or(true);
        let day_ends = || calendar::start_of(&place.zone, calendar::day_of(&place.zone, at) + 1);
        let statement = Statement {
            pool: sold.pool.clone(),
            kind,
            on_hand,
            at,
            // What is counted by hand every day holds for the day, whoever says it.
            counted_until: ((kind == Kind::Count || sold.counted) && holds_day).then(day_ends),
            policy: self.terms.policy(&place.id, sku, &category).0,
            key: format!("import:{kind}:{}:{at}:{on_hand}", sold.pool),
        };
        Ok((place.id.clone(), statement))
    }
}

pub(super) async fn stock(context: &mut Context<'_>, table: &Arc<Table>) -> Result<Outcome> {
    let reader = Arc::new(StockReader {
        places: places(&context.stores),
        index: context.index().await?,
        holds_day: context.categories.values().map(|c| (c.id.clone(), c.count_holds_day)).collect(),
        terms: Terms::load(context.shop).await?,
        anchor: context.anchor,
        now: context.now,
    });
    let (rows, bad) = on_two_threads(table, move |row| reader.row(row)).await?;
    let mut by_store: BTreeMap<StoreId, Vec<Statement>> = BTreeMap::new();
    for (store, statement) in rows {
        by_store.entry(store).or_default().push(statement);
    }
    let (mut sum, mut done, mut writing) = (Applied::default(), bad.len(), Writing::default());
    let mut units = 0;
    for (store, statements) in by_store {
        let before = statements.len();
        let mut newest = newest(statements);
        sum.late += before - newest.len();
        while !newest.is_empty() {
            let rest = newest.split_off(newest.len().min(UNIT_ROWS));
            let part = std::mem::replace(&mut newest, rest);
            done += part.len();
            if units == 1 && !context.options.dry_run {
                sum = sum.plus(writing.finish().await?.unwrap_or_default());
                store::dialect::count_levels(&mut context.shop.store().read().await?).await?;
            }
            units += 1;
            let part = named(context.shop, &store, part).await?;
            let claim = (!context.options.dry_run).then(|| context.claim.clone());
            let unit = state(context.shop.clone(), claim, (store.clone(), part), context.now);
            sum = sum.plus(writing.add(unit).await?.unwrap_or_default());
            context.progress(done as u64);
        }
    }
    sum = sum.plus(writing.finish().await?.unwrap_or_default());
    Ok(Outcome {
        new: sum.opened as u64,
        changed: (sum.applied - sum.opened) as u64,
        unchanged: (sum.repeated + sum.late) as u64,
        bad,
    })
}

/// Of several statements on one pool the newest holds, wherever the others stand
/// in the file; in the order of the pools.
fn newest(mut statements: Vec<Statement>) -> Vec<Statement> {
    statements.sort_by(|a, b| a.pool.cmp(&b.pool).then(b.at.cmp(&a.at)));
    // Of two for the very same time the later row holds.
    let mut newest: Vec<Statement> = Vec::with_capacity(statements.len());
    for statement in statements {
        match newest.last_mut().filter(|last| last.pool == statement.pool) {
            Some(last) if last.at == statement.at => *last = statement,
            Some(_) => {}
            None => newest.push(statement),
        }
    }
    newest
}

/// Reads the rows of a table on two threads.
async fn on_two_threads<T: Send + 'static>(
    table: &Arc<Table>,
    read: impl Fn(&Cells<'_>) -> Cell<T> + Clone + Send + 'static,
) -> Result<(Vec<T>, Vec<Bad>)> {
    let half = table.rows.len() / 2;
    let part = |range: std::ops::Range<usize>| {
        let (table, read) = (table.clone(), read.clone());
        tokio::task::spawn_blocking(move || split(table.cells_in(range).map(|row| read(&row))))
    };
    let (first, second) = tokio::join!(part(0..half), part(half..table.rows.len()));
    let ((mut rows, mut bad), (more, more_bad)) = (first.map_err(joined)?, second.map_err(joined)?);
    rows.extend(more);
    bad.extend(more_bad);
    Ok((rows, bad))
}

/// Gives statements the keys that they have in the ledger. One that holds at present has its
/// key there, by which it is known again. One that was replaced by others of the very same time
/// comes back under a new key, numbered by how many of that time there are.
async fn named(shop: &Shop, store: &StoreId, mut rows: Vec<Statement>) -> Result<Vec<Statement>> {
    let numbered = |key: &str, no: usize| if no == 0 { key.to_owned() } else { format!("{key}:{no}") };
    let booked = store::stock::statements_of_time(&mut shop.store().read().await?, store, &rows).await?;
    for row in &mut rows {
        let Some(keys) = booked.get(&row.pool) else { continue };
        let last = numbered(&row.key, keys.len() - 1);
        row.key = if keys.contains(&last) { last } else { numbered(&row.key, keys.len()) };
    }
    Ok(rows)
}

/// Applies statements, or says what that would do, where there is no claim.
async fn state(shop: Shop, claim: Option<Claim>, input: (StoreId, Vec<Statement>), now: Millis) -> Result<Applied> {
    let Some(claim) = claim else {
        let mut conn = shop.store().read().await?;
        return Ok(store::stock::preview_statements(&mut conn, &input.0, &input.1).await?);
    };
    let write = claim.write(input, move |conn, (store, rows)| {
        Box::pin(async move { Ok::<_, Error>(store::stock::apply_statements(conn, store, rows, now).await?) })
    });
    write.await
}

struct SalesReader {
    places: HashMap<String, Place>,
    index: Arc<Index>,
    anchor: Millis,
    now: Millis,
}

impl SalesReader {
    fn row(&self, row: &Cells<'_>) -> Cell<(StoreId, SaleDay)> {
        let place = place(row, &self.places)?;
        let code = row.code("sku")?;
        let sold = self.index.by_code.get(&code).or_else(|| self.index.by_barcode.get(&code));
        let sold = sold.ok_or_else(|| row.bad("sku", Reason::Unknown { value: code }))?;
        let at = row.past("sold_at", &place.zone, self.anchor, self.now)?;
        let packs = row.int("quantity", -1_000_000, 1_000_000)?;
        let day = calendar::day_of(&place.zone, at);
        let units = Base(packs.saturating_mul(sold.pack_size));
        Ok((place.id.clone(), SaleDay { pool: sold.pool.clone(), day, promo: row.flag("promo")?, units }))
    }
}

/// Pool, day, promotion.
type DayKey = (PoolId, Day, bool);

/// What rows state of a day: base units, and how many rows state it.
#[derive(Clone, Copy, Debug, Default)]
struct Stated {
    units: Base,
    rows: u64,
}

/// Sales of past days, added up by day: a file states the days that it holds.
pub(super) async fn sales(context: &mut Context<'_>, table: &Arc<Table>) -> Result<Outcome> {
    let reader = Arc::new(SalesReader {
        places: places(&context.stores),
        index: context.index().await?,
        anchor: context.anchor,
        now: context.now,
    });
    let (rows, bad) = on_two_threads(table, move |row| reader.row(row)).await?;
    let mut outcome = Outcome::with_bad(bad);
    let mut by_store: BTreeMap<StoreId, BTreeMap<DayKey, Stated>> = BTreeMap::new();
    for (store, row) in rows {
        let stated = by_store.entry(store).or_default().entry((row.pool, row.day, row.promo)).or_default();
        stated.units += row.units;
        stated.rows += 1;
    }
    for (store, days) in by_store {
        let differing = other_days(context, &store, days, &mut outcome).await?;
        if context.options.dry_run {
            continue;
        }
        for part in differing.chunks(UNIT_ROWS * 4) {
            let input = (store.clone(), part.to_vec());
            let write = context.claim.write(input, |conn, (store, rows)| {
                Box::pin(async move { Ok::<_, Error>(store::stock::set_sale_days(conn, store, rows).await?) })
            });
            write.await?;
            context.progress((outcome.new + outcome.changed).min(context.total));
        }
    }
    Ok(outcome)
}

/// The days that differ from what is known of them; their rows are counted.
async fn other_days(
    context: &Context<'_>,
    store: &StoreId,
    days: BTreeMap<DayKey, Stated>,
    outcome: &mut Outcome,
) -> Result<Vec<SaleDay>> {
    let first = days.keys().map(|(_, day, _)| *day).min().unwrap_or_default();
    let last = days.keys().map(|(_, day, _)| *day).max().unwrap_or_default();
    let known = store::stock::sale_days(&mut context.shop.store().read().await?, store, first, last + 1).await?;
    let known: HashMap<DayKey, Base> = known.into_iter().map(|d| ((d.pool, d.day, d.promo), d.units)).collect();
    let mut differing = Vec::new();
    for (key, stated) in days {
        let standing = Standing::of(known.get(&key), &stated.units);
        outcome.count(standing, stated.rows);
        if standing != Standing::Unchanged {
            let (pool, day, promo) = key;
            differing.push(SaleDay { pool, day, promo, units: stated.units });
        }
    }
    Ok(differing)
}
