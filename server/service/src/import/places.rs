//! Stores, slots and categories.

use super::cells::{Cell, Cells};
use super::report::{Bad, Reason};
use super::table::Table;
use super::{Context, Outcome, Standing, differing, split};
use crate::{Error, Result};
use domain::Fen;
use domain::ids::{CategoryId, StoreId};
use domain::safety::Policy;
use std::collections::HashMap;
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

/// A policy of a scope as a row states it: (scope id, store, policy).
type Stated = (String, String, Option<Policy>);

/// The policies that are set for a scope, by scope id and store.
pub(super) async fn known_policies(context: &Context<'_>, scope: &str) -> Result<HashMap<(String, String), Policy>> {
    let mut conn = context.shop.store().read().await?;
    let records = match scope {
        "sku" => store::catalogue::all_policies(&mut conn).await?,
        _ => store::catalogue::policies(&mut conn, "").await?,
    };
    let of_scope = records.into_iter().filter(|record| record.scope == scope);
    Ok(of_scope.map(|record| ((record.scope_id, record.store), record.policy)).collect())
}

/// Rows that differ from what is there, and the policies that do.
struct Differing<T> {
    records: Vec<T>,
    policies: Vec<Stated>,
}

/// Compares rows and their policies with what is there, and counts how they stand.
fn compared<T: Clone + PartialEq>(
    rows: &[(T, Stated)],
    known: impl Fn(&T) -> Option<T>,
    policies: &HashMap<(String, String), Policy>,
    outcome: &mut Outcome,
) -> Differing<T> {
    let mut differing = Differing { records: Vec::new(), policies: Vec::new() };
    for (record, stated) in rows {
        let own = Standing::of(known(record).as_ref(), record);
        let (scope_id, store, policy) = stated;
        let other_policy = policies.get(&(scope_id.clone(), store.clone())) != policy.as_ref();
        if own != Standing::Unchanged {
            differing.records.push(record.clone());
        }
        if other_policy {
            differing.policies.push(stated.clone());
        }
        outcome.count(own.or_changed(other_policy), 1);
    }
    differing
}

pub(super) async fn stores(context: &mut Context<'_>, table: &Table) -> Result<Outcome> {
    let mut seen = HashMap::new();
    let (rows, bad) = split(table.cells().enumerate().map(|(i, row)| {
        let (record, policy) = store_row(&row, i64::try_from(i).unwrap_or(i64::MAX), &context.stores)?;
        no_repeat(&mut seen, record.code.clone(), &row, "code")?;
        let stated: Stated = (String::new(), record.id.to_string(), policy);
        Ok((record, stated))
    }));
    let mut outcome = Outcome::with_bad(bad);
    let policies = known_policies(context, "store").await?;
    let known = |store: &StoreRecord| context.stores.get(&store.code).cloned();
    let differing = compared(&rows, known, &policies, &mut outcome);
    context.stores.extend(rows.into_iter().map(|(store, _)| (store.code.clone(), store)));
    if context.options.dry_run || outcome.new + outcome.changed == 0 {
        return Ok(outcome);
    }
    let write = context.claim.write(differing, |conn, Differing { records, policies }| {
        Box::pin(async move {
            for part in records.chunks(1_000) {
                store::stores::put(conn, part).await?;
            }
            put_policies(conn, "store", policies).await?;
            conn.touch_catalogue();
            Ok::<_, Error>(())
        })
    });
    write.await?;
    Ok(outcome)
}

/// Sets or unsets the policies of a scope: (scope id, store, policy).
pub(super) async fn put_policies(conn: &mut store::Conn, scope: &str, rows: &[Stated]) -> store::Result<u64> {
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
    let mut outcome = Outcome::with_bad(bad);
    let known = store::stores::slot_templates(&mut context.shop.store().read().await?).await?;
    let key = |t: &SlotTemplate| (t.store.clone(), t.kind.clone(), t.start_min, t.end_min);
    let known: HashMap<_, SlotTemplate> = known.into_iter().map(|t| (key(&t), t)).collect();
    let rows = differing(rows, |row| known.get(&key(row)), &mut outcome);
    if context.options.dry_run || rows.is_empty() {
        return Ok(outcome);
    }
    let write = context.claim.write(rows, |conn, rows| {
        Box::pin(async move {
            store::stores::put_slot_templates(conn, rows).await?;
            conn.touch_catalogue();
            Ok::<_, Error>(())
        })
    });
    write.await?;
    Ok(outcome)
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
    let mut outcome = Outcome::with_bad(bad);
    let policies = known_policies(context, "category").await?;
    let rows: Vec<(CategoryRecord, Stated)> = rows
        .into_iter()
        .map(|row| {
            let stated = (row.record.id.to_string(), String::new(), row.policy);
            (row.record, stated)
        })
        .collect();
    let known = |category: &CategoryRecord| context.categories.get(&category.code).cloned();
    let differing = compared(&rows, known, &policies, &mut outcome);
    context.categories.extend(rows.into_iter().map(|(category, _)| (category.code.clone(), category)));
    if context.options.dry_run || outcome.new + outcome.changed == 0 {
        return Ok(outcome);
    }
    let write = context.claim.write(differing, |conn, Differing { records, policies }| {
        Box::pin(async move {
            store::goods::put_categories(conn, records).await?;
            put_policies(conn, "category", policies).await?;
            conn.touch_catalogue();
            Ok::<_, Error>(())
        })
    });
    write.await?;
    Ok(outcome)
}
