//! Offers (timed discounts, spend-and-saves, coupons), banners, welcome coupons.

use crate::conn::{list, rows_of};
use crate::record::Record;
use crate::stores::set_where_changed;
use crate::{Conn, Result, Val, new_id, vals};
use domain::ids::{MemberId, OfferId, StoreId};
use domain::pricing::Offer;
use domain::{Fen, Millis};
use sqlx::AssertSqlSafe;

/// The end of an offer that has none.
pub const NEVER: Millis = Millis(253_402_300_799_000);

/// An offer with its names.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferRecord {
    /// What the rules look at.
    pub offer: Offer,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
}

#[derive(Debug, Record)]
struct OfferRow {
    id: String,
    code: String,
    name_zh: String,
    name_en: String,
    store_id: String,
    starts_at: i64,
    ends_at: i64,
    priority: i64,
    scope: String,
    terms: String,
    excludes: String,
    per_member: Option<i64>,
    total: Option<i64>,
    budget: Option<i64>,
    used: i64,
    spent: i64,
}

fn count(n: i64) -> u32 {
    u32::try_from(n.max(0)).unwrap_or(u32::MAX)
}

impl TryFrom<OfferRow> for OfferRecord {
    type Error = crate::Error;
    fn try_from(row: OfferRow) -> Result<Self> {
        let mut offer = Offer::new(OfferId::trusted(row.id), row.code, serde_json::from_str(&row.terms)?);
        offer.scope = serde_json::from_str(&row.scope)?;
        offer.excludes = serde_json::from_str(&row.excludes)?;
        offer.store = (!row.store_id.is_empty()).then(|| StoreId::trusted(row.store_id));
        offer.starts = Some(Millis(row.starts_at)).filter(|t| t.0 > 0);
        offer.ends = Some(Millis(row.ends_at)).filter(|t| *t < NEVER);
        offer.priority = i32::try_from(row.priority).unwrap_or_default();
        offer.per_member = row.per_member.map(count);
        offer.total = row.total.map(count);
        offer.used_total = count(row.used);
        offer.budget = row.budget.map(Fen);
        offer.spent = Fen(row.spent);
        Ok(Self { offer, name_zh: row.name_zh, name_en: row.name_en })
    }
}

const CURRENT: &str =
    "SELECT id, code, name_zh, name_en, store_id, starts_at, ends_at, priority, scope, terms, excludes,
    per_member, total, budget, used, spent FROM offer WHERE ends_at > $1 ORDER BY priority DESC, code LIMIT 10000";

/// Offers that end after a time, in the order in which they are tried.
pub async fn ending_after(conn: &mut Conn, time: Millis) -> Result<Vec<OfferRecord>> {
    let rows: Vec<OfferRow> = conn.all(CURRENT, vals![time]).await?;
    rows.into_iter().map(OfferRecord::try_from).collect()
}

/// Offers by their ids, ended ones too.
pub async fn by_ids(conn: &mut Conn, ids: &[&str]) -> Result<Vec<OfferRecord>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT id, code, name_zh, name_en, store_id, starts_at, ends_at, priority, scope, terms, excludes,
         per_member, total, budget, used, spent FROM offer WHERE id IN ({}) ORDER BY priority DESC, code",
        list(1, ids.len())
    );
    let vals: Vec<Val<'_>> = ids.iter().map(|id| Val::from(*id)).collect();
    let rows: Vec<OfferRow> = conn.all(AssertSqlSafe(sql), &vals).await?;
    rows.into_iter().map(OfferRecord::try_from).collect()
}

/// Makes or changes offers by their code; answers the codes that were new or
/// changed. What is used and spent so far stays.
pub async fn put(conn: &mut Conn, rows: &[OfferRecord]) -> Result<Vec<String>> {
    const COLUMNS: [&str; 13] = [
        "kind",
        "name_zh",
        "name_en",
        "store_id",
        "starts_at",
        "ends_at",
        "priority",
        "scope",
        "terms",
        "excludes",
        "per_member",
        "total",
        "budget",
    ];
    let mut changed = Vec::new();
    for part in rows.chunks(1_000) {
        let sql = format!(
            "INSERT INTO offer (id, code, {}) {} ON CONFLICT (code) DO UPDATE SET {} RETURNING code",
            COLUMNS.join(", "),
            rows_of(1, part.len(), 15),
            set_where_changed("offer", &COLUMNS)
        );
        let mut vals = Vec::with_capacity(part.len() * 15);
        for row in part {
            let o = &row.offer;
            vals.extend([
                Val::from(&o.id),
                Val::from(&o.code),
                Val::from(o.kind().as_str()),
                Val::from(&row.name_zh),
                Val::from(&row.name_en),
                Val::from(o.store.as_ref().map_or("", StoreId::as_str)),
                Val::from(o.starts.unwrap_or_default()),
                Val::from(o.ends.unwrap_or(NEVER)),
                Val::from(i64::from(o.priority)),
                Val::from(serde_json::to_string(&o.scope)?),
                Val::from(serde_json::to_string(&o.rule)?),
                Val::from(serde_json::to_string(&o.excludes)?),
                Val::from(o.per_member.map(i64::from)),
                Val::from(o.total.map(i64::from)),
                Val::from(o.budget),
            ]);
        }
        let codes: Vec<(String,)> = conn.all(AssertSqlSafe(sql), &vals).await?;
        changed.extend(codes.into_iter().map(|(code,)| code));
    }
    Ok(changed)
}

/// Gives a member one coupon of each running coupon offer that still has
/// places. Each is issued once: its key is the offer. Answers how many were new.
pub async fn issue_welcome_coupons(conn: &mut Conn, member: &MemberId, now: Millis) -> Result<u64> {
    let offers: Vec<(String, i64)> = conn
        .all(
            "SELECT id, ends_at FROM offer WHERE kind = 'coupon' AND starts_at <= $1 AND ends_at > $1
             AND (total IS NULL OR used < total) ORDER BY id LIMIT 100",
            vals![now],
        )
        .await?;
    if offers.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "INSERT INTO coupon (member_id, id, offer_id, state, issued_at, expires_at, key) {}
         ON CONFLICT (member_id, key) DO NOTHING",
        rows_of(1, offers.len(), 7)
    );
    let mut vals = Vec::with_capacity(offers.len() * 7);
    for (offer, ends) in &offers {
        vals.extend([
            Val::from(member),
            Val::from(new_id()),
            Val::from(offer),
            Val::from("issued"),
            Val::from(now),
            Val::from(*ends),
            Val::from(format!("welcome:{offer}")),
        ]);
    }
    conn.exec(AssertSqlSafe(sql), &vals).await
}

/// A banner of the first page.
#[derive(Clone, Debug, PartialEq, Eq, Record)]
pub struct BannerRecord {
    /// Its code.
    pub code: String,
    /// Title in Chinese.
    pub title_zh: String,
    /// Title in English.
    pub title_en: String,
    /// Text in Chinese.
    pub text_zh: String,
    /// Text in English.
    pub text_en: String,
    /// Where it leads, within the shop.
    pub link: String,
    /// Picture's name.
    pub picture: String,
    /// Place in the row.
    pub sort: i64,
}

const BANNERS: &str =
    "SELECT code, title_zh, title_en, text_zh, text_en, link, picture, sort FROM banner ORDER BY sort, code LIMIT 20";

/// Banners in their order, at most 20.
pub async fn banners(conn: &mut Conn) -> Result<Vec<BannerRecord>> {
    conn.all(BANNERS, &[]).await
}

/// All banners, for comparing; bounded far above what a shop has.
pub async fn all_banners(conn: &mut Conn) -> Result<Vec<BannerRecord>> {
    let sql = "SELECT code, title_zh, title_en, text_zh, text_en, link, picture, sort FROM banner ORDER BY code
        LIMIT 10000";
    conn.all(sql, &[]).await
}

/// Makes or changes banners by their code; answers the codes that were new or changed.
pub async fn put_banners(conn: &mut Conn, rows: &[BannerRecord]) -> Result<Vec<String>> {
    const COLUMNS: [&str; 7] = ["title_zh", "title_en", "text_zh", "text_en", "link", "picture", "sort"];
    let mut changed = Vec::new();
    for part in rows.chunks(1_000) {
        let sql = format!(
            "INSERT INTO banner (code, {}) {} ON CONFLICT (code) DO UPDATE SET {} RETURNING code",
            COLUMNS.join(", "),
            rows_of(1, part.len(), 8),
            set_where_changed("banner", &COLUMNS)
        );
        let mut vals = Vec::with_capacity(part.len() * 8);
        for row in part {
            vals.extend([
                Val::from(&row.code),
                Val::from(&row.title_zh),
                Val::from(&row.title_en),
                Val::from(&row.text_zh),
                Val::from(&row.text_en),
                Val::from(&row.link),
                Val::from(&row.picture),
                Val::from(row.sort),
            ]);
        }
        let codes: Vec<(String,)> = conn.all(AssertSqlSafe(sql), &vals).await?;
        changed.extend(codes.into_iter().map(|(code,)| code));
    }
    Ok(changed)
}
