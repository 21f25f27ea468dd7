//! Stores, slots and categories.

use super::cells::{Cell, Cells};
use super::report::{Bad, Reason};
use super::table::Table;
use super::{Context, Outcome, split};
use crate::{Error, Result};
use domain::Fen;
use domain::ids::{CategoryId, StoreId};
use domain::safety::Policy;
use std::collections::{HashMap, HashSet};
use store::Lane;
use store::catalogue::{CategoryRecord, PolicyRecord};
use store::stores::{SlotTemplate, StoreRecord};

/// Refuses a code that stood in an earlier line.
pub(super) fn no_repeat(
    seen: &mut HashMap<String, u64>,
    key: String,
    row: &Cells<'_>,
    column: &'static str,
) -> Cell<()> {
    match seen.insert(key, row.line) {
        Some(line) => Err(row.bad(column, Reason::Duplicate { line })),
        None => Ok(()),
    }
}

fn store_row(row: &Cells<'_>, sort: i64, known: &HashMap<String, StoreRecord>) -> Cell<(StoreRecord, Option<Policy>)> {
    let code = row.code("code")?;
    let zone = row.name("zone", 64)?;
    if jiff::tz::TimeZone::get(&zone).is_err() {
        return Err(row.bad("zone", Reason::NotZone));
    }
    let (opens_min, closes_min) = (row.clock("opens")?, row.clock("closes")?);
    if closes_min <= opens_min {
        return Err(row.bad("closes", Reason::Before { other: "opens" }));
    }
    let id = known.get(&code).map_or_else(|| StoreId::trusted(store::new_id()), |s| s.id.clone());
    let record = StoreRecord {
        id,
        code,
        name_zh: row.name("name_zh", 80)?,
        name_en: row.name("name_en", 120)?,
        lat_e6: row.degrees("lat", 90)?,
        lon_e6: row.degrees("lon", 180)?,
        address_zh: row.text("address_zh", 200)?,
        address_en: row.text("address_en", 200)?,
        phone: row.text("phone", 40)?,
        zone,
        opens_min,
        closes_min,
        delivery_radius_m: row.int("delivery_radius_m", 0, 1_000_000)?,
        delivery_fee: row.opt_money("delivery_fee")?.unwrap_or(Fen::ZERO),
        free_delivery_above: row.opt_money("free_delivery_above")?,
        sort,
    };
    Ok((record, row.policy("safety")?))
}

pub(super) async fn stores(context: &mut Context<'_>, table: &Table) -> Result<Outcome> {
    let mut seen = HashMap::new();
    let (rows, bad) = split(table.cells().enumerate().map(|(i, row)| {
        let made = store_row(&row, i64::try_from(i).unwrap_or(i64::MAX), &context.stores)?;
        no_repeat(&mut seen, made.0.code.clone(), &row, "code")?;
        Ok(made)
    }));
    let policy = |(store, policy): &(StoreRecord, Option<Policy>)| (String::new(), store.id.to_string(), *policy);
    let policies: Vec<_> = rows.iter().map(policy).collect();
    let records: Vec<StoreRecord> = rows.into_iter().map(|(record, _)| record).collect();
    let total = records.len() as u64;
    context.stores.extend(records.iter().map(|s| (s.code.clone(), s.clone())));
    if context.options.dry_run {
        return Ok(Outcome { written: total, unchanged: 0, bad });
    }
    let keys: Vec<String> = records.iter().map(|s| s.code.clone()).collect();
    let write = context.shop.store().write(Lane::Background, (records, policies), |conn, (records, policies)| {
        Box::pin(async move {
            let mut changed: HashSet<String> = HashSet::new();
            for part in records.chunks(1_000) {
                changed.extend(store::stores::put(conn, part).await?);
            }
            let policies = put_policies(conn, "store", policies).await?;
            if !changed.is_empty() || policies > 0 {
                conn.touch_catalogue();
            }
            Ok::<_, store::Error>((changed, policies))
        })
    });
    let (changed, policies) = write.await?;
    Ok(outcome(&keys, &changed, policies, bad))
}

/// Rows whose own columns changed are written; a changed policy counts where nothing else did.
fn outcome(keys: &[String], changed: &HashSet<String>, policies: u64, bad: Vec<Bad>) -> Outcome {
    let own = keys.iter().filter(|key| changed.contains(*key)).count() as u64;
    let written = own.max(policies).min(keys.len() as u64);
    Outcome { written, unchanged: keys.len() as u64 - written, bad }
}

/// Sets or unsets the policies of a scope: (scope id, store, policy).
pub(super) async fn put_policies(
    conn: &mut store::Conn,
    scope: &str,
    rows: &[(String, String, Option<Policy>)],
) -> store::Result<u64> {
    let mut set = Vec::new();
    let mut unset = Vec::new();
    for (scope_id, store, policy) in rows {
        match policy {
            Some(policy) => set.push(PolicyRecord {
                scope: scope.to_owned(),
                scope_id: scope_id.clone(),
                store: store.clone(),
                policy: *policy,
            }),
            None => unset.push((scope, scope_id.as_str(), store.as_str())),
        }
    }
    store::goods::put_policies(conn, &set, &unset).await
}

pub(super) async fn slots(context: &mut Context<'_>, table: &Table) -> Result<Outcome> {
    let mut seen = HashMap::new();
    let (rows, bad) = split(table.cells().map(|row| {
        let slot = slot_row(&row, &context.stores)?;
        let key = format!("{}/{}/{}/{}", slot.store, slot.kind, slot.start_min, slot.end_min);
        no_repeat(&mut seen, key, &row, "start")?;
        Ok(slot)
    }));
    let total = rows.len() as u64;
    if context.options.dry_run {
        return Ok(Outcome { written: total, unchanged: 0, bad });
    }
    let write = context.shop.store().write(Lane::Background, rows, |conn, rows| {
        Box::pin(async move {
            let changed = store::stores::put_slot_templates(conn, rows).await?;
            if changed > 0 {
                conn.touch_catalogue();
            }
            Ok::<_, store::Error>(changed)
        })
    });
    let written = write.await?;
    Ok(Outcome { written, unchanged: total.saturating_sub(written), bad })
}

fn slot_row(row: &Cells<'_>, stores: &HashMap<String, StoreRecord>) -> Cell<SlotTemplate> {
    let code = row.code("store")?;
    let store = stores.get(&code).ok_or_else(|| row.bad("store", Reason::Unknown { value: code }))?;
    let (start_min, end_min) = (row.clock("start")?, row.clock("end")?);
    if end_min <= start_min {
        return Err(row.bad("end", Reason::Before { other: "start" }));
    }
    let weekdays = row.name("weekdays", 7)?;
    if !weekdays.bytes().all(|b| (b'1'..=b'7').contains(&b)) {
        return Err(row.bad("weekdays", Reason::NotOneOf { allowed: "1234567".to_owned() }));
    }
    Ok(SlotTemplate {
        store: store.id.clone(),
        kind: row.one_of("kind", &["delivery", "pickup"], "")?.to_owned(),
        start_min,
        end_min,
        weekdays,
        capacity: row.int("capacity", 0, 100_000)?,
        cutoff_min: row.opt_int("cutoff_min", 0, 7 * 24 * 60)?.unwrap_or(60),
    })
}

/// A category as read: its record but for the parent, which is a code yet.
struct CategoryIn {
    record: CategoryRecord,
    parent: Option<String>,
    policy: Option<Policy>,
    line: u64,
}

fn category_row(row: &Cells<'_>, sort: i64, known: &HashMap<String, CategoryRecord>) -> Cell<CategoryIn> {
    let code = row.code("code")?;
    let id = known.get(&code).map_or_else(|| CategoryId::trusted(store::new_id()), |c| c.id.clone());
    let record = CategoryRecord {
        id,
        code,
        parent: None,
        name_zh: row.name("name_zh", 80)?,
        name_en: row.name("name_en", 120)?,
        picture: row.text("picture", 80)?,
        sort: row.opt_int("sort", -1_000_000, 1_000_000)?.unwrap_or(sort),
        count_holds_day: row.one_of("count_holds", &["day", "always"], "day")? == "day",
    };
    Ok(CategoryIn { record, parent: row.opt_code("parent")?, policy: row.policy("safety")?, line: row.line })
}

/// Puts ids in place of the parents' codes; a child may stand before its parent.
/// Rows whose parent is unknown or below themselves are refused, and so are
/// those that hang on a refused one.
fn link(mut rows: Vec<CategoryIn>, known: &HashMap<String, CategoryRecord>, bad: &mut Vec<Bad>) -> Vec<CategoryIn> {
    loop {
        let fresh: HashMap<String, Option<String>> =
            rows.iter().map(|row| (row.record.code.clone(), row.parent.clone())).collect();
        let before = rows.len();
        rows.retain(|row| {
            let Some(parent) = &row.parent else { return true };
            let reason = if !fresh.contains_key(parent) && !known.contains_key(parent) {
                Reason::Unknown { value: parent.clone() }
            } else if climbs_to_itself(&row.record.code, &fresh, known) {
                Reason::Cycle
            } else {
                return true;
            };
            bad.push(Bad::new(row.line, "parent", reason));
            false
        });
        if rows.len() == before {
            break;
        }
    }
    let fresh: HashMap<String, CategoryId> =
        rows.iter().map(|r| (r.record.code.clone(), r.record.id.clone())).collect();
    for row in &mut rows {
        let id = |code: &String| fresh.get(code).or_else(|| known.get(code).map(|c| &c.id)).cloned();
        row.record.parent = row.parent.as_ref().and_then(id);
    }
    rows
}

fn climbs_to_itself(
    code: &str,
    fresh: &HashMap<String, Option<String>>,
    known: &HashMap<String, CategoryRecord>,
) -> bool {
    let mut at = code.to_owned();
    for _ in 0..32 {
        let up = match fresh.get(&at) {
            Some(parent) => parent.clone(),
            None => known
                .get(&at)
                .and_then(|c| c.parent.as_ref())
                .and_then(|id| known.values().find(|c| c.id == *id).map(|c| c.code.clone())),
        };
        match up {
            None => return false,
            Some(up) if up == code => return true,
            Some(up) => at = up,
        }
    }
    true
}

pub(super) async fn categories(context: &mut Context<'_>, table: &Table) -> Result<Outcome> {
    let mut seen = HashMap::new();
    let (rows, mut bad) = split(table.cells().enumerate().map(|(i, row)| {
        let made = category_row(&row, i64::try_from(i).unwrap_or(i64::MAX), &context.categories)?;
        no_repeat(&mut seen, made.record.code.clone(), &row, "code")?;
        Ok(made)
    }));
    let rows = link(rows, &context.categories, &mut bad);
    let policies: Vec<_> = rows.iter().map(|row| (row.record.id.to_string(), String::new(), row.policy)).collect();
    let records: Vec<CategoryRecord> = rows.into_iter().map(|row| row.record).collect();
    let total = records.len() as u64;
    context.categories.extend(records.iter().map(|c| (c.code.clone(), c.clone())));
    if context.options.dry_run {
        return Ok(Outcome { written: total, unchanged: 0, bad });
    }
    let keys: Vec<String> = records.iter().map(|c| c.code.clone()).collect();
    let write = context.shop.store().write(Lane::Background, (records, policies), |conn, (records, policies)| {
        Box::pin(async move {
            let changed: HashSet<String> = store::goods::put_categories(conn, records).await?.into_iter().collect();
            let policies = put_policies(conn, "category", policies).await?;
            if !changed.is_empty() || policies > 0 {
                conn.touch_catalogue();
            }
            Ok::<_, Error>((changed, policies))
        })
    });
    let (changed, policies) = write.await?;
    Ok(outcome(&keys, &changed, policies, bad))
}
