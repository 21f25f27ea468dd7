//! What a basket would cost as an order: rows in, the input of the pricing
//! engine and its answer out. Basket page, checkout and the order itself all
//! come through here, so that they cannot disagree.

use crate::{Error, Result};
use domain::availability::{Level, sellable_packs};
use domain::ids::{BasketId, CategoryId, CouponId, MemberId, OfferId, SkuId, StoreId};
use domain::pricing::{CouponIn, DeliveryTerms, Input, LineIn, MemberStatus, Offer, Priced, price};
use domain::slot::Kind;
use domain::view::Lang;
use domain::{Base, Code, Fen, Millis, Packs};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::Conn;
use store::baskets::{self, GoodsRow, LineRow};
use store::members::{self, MemberRow};
use store::offers::{self, OfferRecord};
use store::places::{self, CouponRow};
use store::slots::{self, StoreTerms};

/// Which coupon is to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CouponPick {
    /// The one with which least is to be paid; none if none makes it less.
    Best,
    /// None.
    None,
    /// This one.
    This(CouponId),
}

impl CouponPick {
    /// Reads a form's field: nothing chosen yet is the best one at checkout.
    pub(crate) fn parse(text: Option<&str>, open: Self) -> Result<Self> {
        match text {
            None | Some("") => Ok(open),
            Some("none") => Ok(Self::None),
            Some(id) => CouponId::parse(id).map(Self::This).map_err(|_| Code::CouponUnusable.into()),
        }
    }
}

/// What is to be priced.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    pub store: &'a StoreId,
    pub basket: &'a BasketId,
    pub member: Option<&'a MemberId>,
    pub kind: Kind,
    pub coupon: &'a CouponPick,
    pub now: Millis,
}

/// A priced basket with the rows that it was priced from.
#[derive(Clone, Debug)]
pub(crate) struct Quote {
    /// Lines that can be had; `input.lines` and `priced.lines` run beside them.
    pub lines: Vec<LineRow>,
    /// Lines that cannot.
    pub gone: Vec<LineRow>,
    pub input: Input,
    pub priced: Priced,
    pub member: Option<MemberRow>,
    pub store: StoreTerms,
    /// Names of all offers in it, Chinese and English.
    pub names: HashMap<String, (String, String)>,
}

/// The level behind a product in the store; `None` if the store does not keep it.
pub(crate) fn level(goods: &GoodsRow) -> Option<Level> {
    Some(Level {
        on_hand: Base(goods.on_hand?),
        reserved: Base(goods.reserved.unwrap_or(0)),
        safety: Base(goods.safety.unwrap_or(0)),
        as_of: Millis(goods.as_of.unwrap_or(0)),
        counted_until: goods.counted_until.map(Millis),
    })
}

/// Packs that can be had now; 0 for what is not sold here.
pub(crate) fn left(goods: &GoodsRow, now: Millis) -> Packs {
    match level(goods) {
        Some(level) if goods.active => sellable_packs(&level, Base(goods.pack_size), now),
        _ => Packs::ZERO,
    }
}

/// Prices a basket.
pub(crate) async fn quote(conn: &mut Conn, ask: &Ask<'_>) -> Result<Quote> {
    let mut quotes = quotes(conn, std::slice::from_ref(ask)).await?;
    quotes.pop().ok_or_else(|| Error::Internal("a basket without a quote".to_owned()))?
}

/// Prices baskets, of several members each at most one, by a fixed number of
/// statements; an answer for each.
pub(crate) async fn quotes(conn: &mut Conn, asks: &[Ask<'_>]) -> Result<Vec<Result<Quote>>> {
    let mut all = Rows::read(conn, asks).await?;
    Ok(asks.iter().map(|ask| all.quote(ask)).collect())
}

/// What baskets are priced from.
struct Rows {
    lines: HashMap<BasketId, Vec<LineRow>>,
    paths: HashMap<String, Vec<CategoryId>>,
    stores: HashMap<StoreId, StoreTerms>,
    members: HashMap<String, MemberRow>,
    uses: HashMap<MemberId, BTreeMap<OfferId, u32>>,
    coupons: HashMap<MemberId, Vec<CouponRow>>,
    offers: Vec<OfferRecord>,
}

impl Rows {
    async fn read(conn: &mut Conn, asks: &[Ask<'_>]) -> Result<Self> {
        // Whatever of it runs out while they are priced is looked at again for each.
        let Some(now) = asks.iter().map(|ask| ask.now).min() else { return Ok(Self::none()) };
        let baskets: Vec<_> = asks.iter().map(|ask| (ask.basket, ask.store)).collect();
        let mut lines: HashMap<BasketId, Vec<LineRow>> = HashMap::new();
        for (basket, line) in baskets::lines(conn, &baskets).await? {
            lines.entry(basket).or_default().push(line);
        }
        let leaves: BTreeSet<&str> = lines.values().flatten().map(|row| row.goods.category_id.as_str()).collect();
        let paths = paths(conn, &leaves).await?;
        let mut stores = HashMap::new();
        for store in asks.iter().map(|ask| ask.store).collect::<BTreeSet<_>>() {
            if let Some(terms) = slots::store_terms(conn, store).await? {
                stores.insert(store.clone(), terms);
            }
        }
        let members: Vec<&MemberId> = asks.iter().filter_map(|ask| ask.member).collect();
        let mut all = Self { lines, paths, stores, ..Self::none() };
        if !members.is_empty() {
            let rows = members::all(conn, &members).await?;
            all.members = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
            for (member, offer, n) in places::uses(conn, &members).await? {
                all.uses.entry(member).or_default().insert(offer, n);
            }
            for (member, coupon) in places::coupons(conn, &members, now).await? {
                all.coupons.entry(member).or_default().push(coupon);
            }
        }
        all.offers = offers::ending_after(conn, now).await?;
        let ended = ended(conn, &all.offers, all.coupons.values().flatten()).await?;
        all.offers.extend(ended);
        Ok(all)
    }

    fn none() -> Self {
        Self {
            lines: HashMap::new(),
            paths: HashMap::new(),
            stores: HashMap::new(),
            members: HashMap::new(),
            uses: HashMap::new(),
            coupons: HashMap::new(),
            offers: Vec::new(),
        }
    }

    fn quote(&mut self, ask: &Ask<'_>) -> Result<Quote> {
        let rows = self.lines.remove(ask.basket).unwrap_or_default();
        let (lines, gone): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| left(&row.goods, ask.now).0 > 0);
        let store = self.stores.get(ask.store).cloned().ok_or(Error::from(Code::NotFound))?;
        let member = match ask.member {
            Some(id) => Some(self.members.get(id.as_str()).cloned().ok_or(Error::from(Code::SignInFirst))?),
            None => None,
        };
        let uses = ask.member.and_then(|id| self.uses.remove(id)).unwrap_or_default();
        let mut coupons = ask.member.and_then(|id| self.coupons.remove(id)).unwrap_or_default();
        coupons.retain(|coupon| coupon.expires_at > ask.now.0);
        let input_lines: Vec<LineIn> = lines.iter().map(|row| line_in(row, &self.paths)).collect();
        let matters = |offer: &Offer| {
            offer.store.as_ref().is_none_or(|store| store == ask.store)
                && offer.ends.is_none_or(|ends| ends > ask.now)
                && input_lines.iter().any(|line| offer.covers(line))
        };
        let records = &self.offers;
        let mut input = Input {
            offers: records.iter().map(|record| &record.offer).filter(|offer| matters(offer)).cloned().collect(),
            coupons: coupons.iter().filter_map(|row| coupon_in(row, records)).collect(),
            lines: input_lines,
            coupon: None,
            member: MemberStatus { is_member: member.as_ref().is_some_and(|m| m.has_member_prices(ask.now)), uses },
            store: ask.store.clone(),
            now: ask.now,
            delivery: (ask.kind == Kind::Delivery).then(|| DeliveryTerms {
                fee: Fen(store.delivery_fee),
                free_above: store.free_delivery_above.map(Fen),
            }),
        };
        input.coupon = match ask.coupon {
            CouponPick::None => None,
            CouponPick::This(id) => Some(id.clone()),
            CouponPick::Best => price(&input).best_coupon,
        };
        let priced = price(&input);
        let names = records.iter().map(|r| (r.offer.id.to_string(), (r.name_zh.clone(), r.name_en.clone()))).collect();
        Ok(Quote { lines, gone, input, priced, member, store, names })
    }
}

async fn paths(conn: &mut Conn, leaves: &BTreeSet<&str>) -> Result<HashMap<String, Vec<CategoryId>>> {
    let leaves: Vec<&str> = leaves.iter().copied().collect();
    let mut paths: HashMap<String, Vec<CategoryId>> = HashMap::new();
    for row in baskets::category_paths(conn, &leaves).await? {
        paths.entry(row.leaf).or_default().push(CategoryId::trusted(row.id));
    }
    Ok(paths)
}

/// The offers behind coupons that outlive them.
async fn ended<'a>(
    conn: &mut Conn,
    known: &[OfferRecord],
    coupons: impl Iterator<Item = &'a CouponRow>,
) -> Result<Vec<OfferRecord>> {
    let is_known = |id: &str| known.iter().any(|record| record.offer.id.as_str() == id);
    let missing: BTreeSet<&str> = coupons.map(|c| c.offer_id.as_str()).filter(|id| !is_known(id)).collect();
    Ok(offers::by_ids(conn, &missing.into_iter().collect::<Vec<_>>()).await?)
}

fn line_in(row: &LineRow, paths: &HashMap<String, Vec<CategoryId>>) -> LineIn {
    LineIn {
        sku: SkuId::trusted(row.goods.sku_id.as_str()),
        categories: paths.get(&row.goods.category_id).cloned().unwrap_or_default(),
        qty: Packs(row.qty),
        shelf_price: Fen(row.goods.price),
        member_price: row.goods.member_price.map(Fen),
        campaign: None,
    }
}

/// A coupon holds up to its own end, even if its offer is over: a coupon that
/// was issued again outlives it.
fn coupon_in(row: &CouponRow, records: &[OfferRecord]) -> Option<CouponIn> {
    let offer = records.iter().map(|record| &record.offer).find(|offer| offer.id.as_str() == row.offer_id)?;
    Some(CouponIn {
        id: CouponId::trusted(row.id.as_str()),
        offer: Offer { ends: None, ..offer.clone() },
        expires: Some(Millis(row.expires_at)),
    })
}

impl Quote {
    /// The highest age limit among the goods.
    pub(crate) fn age_limit(&self) -> Option<u8> {
        self.lines.iter().filter_map(|row| row.goods.age_limit).max().map(|age| u8::try_from(age).unwrap_or(u8::MAX))
    }

    /// An offer's name in the reader's language; empty if there is none.
    pub(crate) fn name(&self, offer: Option<&OfferId>, lang: Lang) -> String {
        let names = offer.and_then(|id| self.names.get(id.as_str()));
        names.map_or_else(String::new, |(zh, en)| lang.pick(zh, en).to_owned())
    }

    /// The input for the browser, which reprices at once when a quantity
    /// changes: without figures that are the shop's own affair. Bounds that no
    /// basket reaches are left out; the order itself is priced by the server.
    pub(crate) fn for_browser(&self) -> Input {
        let mut input = self.input.clone();
        for offer in input.offers.iter_mut().chain(input.coupons.iter_mut().map(|coupon| &mut coupon.offer)) {
            if offer.total.is_some_and(|total| offer.used_total < total) {
                offer.total = None;
            }
            offer.used_total = offer.total.unwrap_or(0);
            offer.budget = offer.budget.map(|budget| (budget - offer.spent).at_least_zero().min(Fen(100_000)));
            offer.spent = Fen::ZERO;
        }
        input
    }
}
