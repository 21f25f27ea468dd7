//! Offers and banners.

use super::cells::{Cell, Cells};
use super::places::no_repeat;
use super::report::Reason;
use super::table::Table;
use super::{Context, Outcome, differing, split};
use crate::{Error, Result};
use domain::ids::{CategoryId, OfferId, SkuId, StoreId};
use domain::pricing::{Offer, Rule, Scope};
use domain::{Fen, Millis};
use jiff::tz::TimeZone;
use std::collections::HashMap;
use store::catalogue::CategoryRecord;
use store::offers::{BannerRecord, OfferRecord};
use store::stores::StoreRecord;

struct OfferReader<'a> {
    stores: &'a HashMap<String, StoreRecord>,
    categories: &'a HashMap<String, CategoryRecord>,
    skus: HashMap<String, SkuId>,
    known: &'a HashMap<String, OfferRecord>,
    anchor: Millis,
}

impl OfferReader<'_> {
    fn store(&self, row: &Cells<'_>) -> Cell<(Option<StoreId>, TimeZone)> {
        let Some(code) = row.opt_code("store")? else {
            // An offer of all stores is told in the zone of the first.
            let zone = self.stores.values().min_by_key(|s| (s.sort, &s.code)).map(|s| s.zone.as_str());
            return Ok((None, crate::calendar::zone(zone.unwrap_or("UTC"))));
        };
        let store = self.stores.get(&code).ok_or_else(|| row.bad("store", Reason::Unknown { value: code }))?;
        Ok((Some(store.id.clone()), crate::calendar::zone(&store.zone)))
    }

    fn rule(row: &Cells<'_>) -> Cell<Rule> {
        let kind = row.one_of("kind", &["timed", "spend_save", "coupon"], "")?;
        if kind == "timed" {
            if let Some(price) = row.opt_money("price")? {
                return Ok(Rule::TimedPrice { price });
            }
            let percent = row.int("percent_off", 1, 100)?;
            return Ok(Rule::TimedPercent { off_milli: percent * 1_000 });
        }
        let (threshold, off) = (row.money("threshold")?, row.money("off")?);
        if off > threshold {
            return Err(row.bad("off", Reason::Above { other: "threshold" }));
        }
        Ok(if kind == "coupon" { Rule::Coupon { threshold, off } } else { Rule::SpendSave { threshold, off } })
    }

    /// The scope, with ids in place of codes.
    fn scope(&self, row: &Cells<'_>) -> Cell<Scope> {
        let scope: Scope = row.raw("scope").parse().map_err(|_| row.bad("scope", Reason::NotScope))?;
        let unknown = |value: &str| row.bad("scope", Reason::Unknown { value: value.to_owned() });
        match scope {
            Scope::All => Ok(Scope::All),
            Scope::Categories(codes) => {
                let id = |code: &CategoryId| {
                    self.categories.get(code.as_str()).map(|c| c.id.clone()).ok_or_else(|| unknown(code.as_str()))
                };
                codes.iter().map(id).collect::<Cell<_>>().map(Scope::Categories)
            }
            Scope::Skus(codes) => {
                let id = |code: &SkuId| self.skus.get(code.as_str()).cloned().ok_or_else(|| unknown(code.as_str()));
                codes.iter().map(id).collect::<Cell<_>>().map(Scope::Skus)
            }
        }
    }

    fn row(&self, row: &Cells<'_>) -> Cell<OfferRecord> {
        let code = row.code("code")?;
        let known = self.known.get(&code).map(|record| record.offer.id.clone());
        let id = known.unwrap_or_else(|| OfferId::trusted(store::new_id()));
        let (store, zone) = self.store(row)?;
        let mut offer = Offer::new(id, code, Self::rule(row)?);
        offer.store = store;
        offer.scope = self.scope(row)?;
        offer.starts = row.opt_time("starts", &zone, self.anchor)?;
        offer.ends = row.opt_time("ends", &zone, self.anchor)?;
        if offer.starts.zip(offer.ends).is_some_and(|(starts, ends)| ends <= starts) {
            return Err(row.bad("ends", Reason::Before { other: "starts" }));
        }
        offer.priority = i32::try_from(row.opt_int("priority", -1_000, 1_000)?.unwrap_or(0)).unwrap_or(0);
        offer.per_member = row.opt_int("per_member", 1, 1_000_000)?.and_then(|n| u32::try_from(n).ok());
        offer.total = row.opt_int("total", 1, 1_000_000_000)?.and_then(|n| u32::try_from(n).ok());
        let excludes = row.raw("excludes").split(';').map(str::trim).filter(|word| !word.is_empty());
        offer.excludes = excludes.map(str::to_owned).collect();
        Ok(OfferRecord { offer, name_zh: row.name("name_zh", 80)?, name_en: row.name("name_en", 120)? })
    }
}

pub(super) async fn offers(context: &mut Context<'_>, table: &Table) -> Result<Outcome> {
    let mut conn = context.shop.store().read().await?;
    let known = store::offers::ending_after(&mut conn, Millis(0)).await?;
    let skus = store::goods::known_skus(&mut conn).await?;
    drop(conn);
    let known: HashMap<String, OfferRecord> =
        known.into_iter().map(|o| (o.offer.code.clone(), as_imported(o))).collect();
    let mut skus: HashMap<String, SkuId> = skus.into_iter().map(|(code, known)| (code, known.id)).collect();
    skus.extend(context.planned.iter().map(super::goods::Planned::code_and_id));
    let reader = OfferReader {
        stores: &context.stores,
        categories: &context.categories,
        skus,
        known: &known,
        anchor: context.anchor,
    };
    let mut seen = HashMap::new();
    let (rows, bad) = split(table.cells().map(|row| {
        let record = reader.row(&row)?;
        no_repeat(&mut seen, record.offer.code.clone(), &row, "code")?;
        Ok(record)
    }));
    let mut outcome = Outcome::with_bad(bad);
    let rows = differing(rows, |row| known.get(&row.offer.code), &mut outcome);
    if context.options.dry_run || rows.is_empty() {
        return Ok(outcome);
    }
    let write = context.claim.write(rows, |conn, rows| {
        Box::pin(async move {
            store::offers::put(conn, rows).await?;
            conn.touch_catalogue();
            Ok::<_, Error>(())
        })
    });
    write.await?;
    Ok(outcome)
}

/// An offer without what its use has brought about.
fn as_imported(mut record: OfferRecord) -> OfferRecord {
    (record.offer.used_total, record.offer.spent) = (0, Fen::ZERO);
    record
}

fn banner_row(row: &Cells<'_>, sort: i64) -> Cell<BannerRecord> {
    let link = row.name("link", 300)?;
    if !link.starts_with('/') || link.starts_with("//") {
        return Err(row.bad("link", Reason::NotLink));
    }
    Ok(BannerRecord {
        code: row.code("code")?,
        title_zh: row.name("title_zh", 60)?,
        title_en: row.name("title_en", 100)?,
        text_zh: row.text("text_zh", 200)?,
        text_en: row.text("text_en", 300)?,
        link,
        picture: row.text("picture", 80)?,
        sort: row.opt_int("sort", -1_000_000, 1_000_000)?.unwrap_or(sort),
    })
}

pub(super) async fn banners(context: &mut Context<'_>, table: &Table) -> Result<Outcome> {
    let mut seen = HashMap::new();
    let (rows, bad) = split(table.cells().enumerate().map(|(i, row)| {
        let banner = banner_row(&row, i64::try_from(i).unwrap_or(i64::MAX))?;
        no_repeat(&mut seen, banner.code.clone(), &row, "code")?;
        Ok(banner)
    }));
    let mut outcome = Outcome::with_bad(bad);
    let known = store::offers::all_banners(&mut context.shop.store().read().await?).await?;
    let known: HashMap<String, BannerRecord> = known.into_iter().map(|b| (b.code.clone(), b)).collect();
    let rows = differing(rows, |row| known.get(&row.code), &mut outcome);
    if context.options.dry_run || rows.is_empty() {
        return Ok(outcome);
    }
    let write = context.claim.write(rows, |conn, rows| {
        Box::pin(async move {
            store::offers::put_banners(conn, rows).await?;
            conn.touch_catalogue();
            Ok::<_, Error>(())
        })
    });
    write.await?;
    Ok(outcome)
}
