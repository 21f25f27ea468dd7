//! Checkout: what an order would be, and placing it.
//!
//! Rule: an order is placed in one unit of work: it is priced again, stock,
//! slot, coupon and the offers' places are taken by conditional updates, prices
//! and shares are frozen, the payment is prepared. All of it is committed, or
//! nothing. The same idempotency key gives the same order.

use crate::members::distance_m;
use crate::orders::{FrozenStep, NewEvent, add_event};
use crate::payments::{PaymentPlan, open_payment_in_tx};
use crate::quote::{Ask, CouponPick, Quote, quote};
use crate::{Error, Result, Shop, Visit};
use crate::{calendar, local};
use domain::ids::{AddressId, OrderId, PoolId, SlotId};
use domain::order::State;
use domain::pricing::OfferKind;
use domain::slot::Kind;
use domain::time::MINUTE_MS;
use domain::view::{CheckoutView, CouponView, Lang, PlaceForm, SlotView};
use domain::{Base, Code, Fen, Packs, UserError, code};
use serde::{Deserialize, Serialize};
use store::members::{self, AddressRow};
use store::orders::{self, OrderLineRow, OrderRow, ShareRow};
use store::slots::{self, SlotRow, StoreTerms};
use store::{Conn, Lane, baskets, places};

/// The longest note to the picker, in characters.
const NOTE_MAX: usize = 200;

/// What the checkout page has chosen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckoutChoice {
    /// `delivery` (also for an empty or unknown word) or `pickup`.
    pub kind: String,
    /// Chosen address; else the usual one.
    pub address: Option<String>,
    /// Chosen slot.
    pub slot: Option<String>,
    /// Chosen coupon, `none` for none; else the one that saves most.
    pub coupon: Option<String>,
    /// Default for goods without a choice of their own; else the member's.
    pub substitution_default: Option<String>,
    /// Note as typed.
    pub note: String,
}

/// A placed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its code.
    pub code: String,
    /// Where it is paid: the channel's page, or the order's own payment page.
    pub payment_url: String,
}

/// The address as it was when the order was placed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FrozenAddress {
    pub name: String,
    pub phone: String,
    pub area: String,
    pub detail: String,
    pub lat_e6: Option<i64>,
    pub lon_e6: Option<i64>,
}

impl Shop {
    /// The checkout page.
    ///
    /// # Errors
    /// `sign_in_first`; `coupon_unusable` for a malformed coupon.
    pub async fn checkout(&self, visit: &Visit, choice: CheckoutChoice) -> Result<CheckoutView> {
        visit.member()?;
        self.issue_coupons(visit).await?;
        let kind: Kind = choice.kind.parse().unwrap_or_default();
        let pick = CouponPick::parse(choice.coupon.as_deref(), CouponPick::Best)?;
        let mut addresses = self.addresses(visit).await?;
        let mut conn = self.store().read().await?;
        let (mut basket, quote) = self.basket_view(&mut conn, visit, kind, &pick).await?;
        // What is gone needs substitutes most: something shall take its place.
        let skus: Vec<_> = basket.live().map(|live| live.sku.clone()).collect();
        let mut candidates = self.candidates_in(&mut conn, visit, &skus).await?;
        let rows = slots::coming(&mut conn, &visit.store, kind.as_str(), visit.now).await?;
        drop(conn);
        for line in basket.lines.iter_mut().chain(&mut basket.gone) {
            line.substitution.candidates = candidates.remove(&line.card.sku).unwrap_or_default();
        }
        let chosen = choice.address.as_deref().and_then(|id| addresses.iter().position(|a| a.id.as_str() == id));
        let usual = || addresses.iter().position(|a| a.is_default && a.in_area);
        if let Some(first) = chosen.or_else(usual).or_else(|| addresses.iter().position(|a| a.in_area)) {
            addresses[..=first].rotate_right(1);
        }
        let address = addresses.first().filter(|a| a.in_area || chosen.is_some()).map(|a| a.id.clone());
        let fallback = quote.member.as_ref().map(|row| row.substitution_default.clone()).unwrap_or_default();
        Ok(CheckoutView {
            kind: kind.as_str().to_owned(),
            addresses,
            address,
            slots: slot_views(&rows, &quote.store, choice.slot.as_deref(), visit),
            coupons: coupon_views(&quote, visit.lang),
            substitution_default: choice.substitution_default.filter(|c| is_default(c)).unwrap_or(fallback),
            age_limit: quote.age_limit(),
            idempotency_key: self.random_key(),
            store_name: visit.lang.pick(&quote.store.name_zh, &quote.store.name_en).to_owned(),
            store_address: visit.lang.pick(&quote.store.address_zh, &quote.store.address_en).to_owned(),
            note: choice.note,
            hold_min: self.settings().hold_ms / MINUTE_MS,
            basket,
        })
    }

    /// Coupon offers that came up since the member signed in.
    async fn issue_coupons(&self, visit: &Visit) -> Result<()> {
        let member = visit.member()?;
        if !places::any_not_issued(&mut self.store().read().await?, member, visit.now).await? {
            return Ok(());
        }
        let input = (member.clone(), visit.now);
        self.store()
            .write(Lane::Member(member.as_str()), input, |conn, (member, now)| {
                Box::pin(async move {
                    store::offers::issue_welcome_coupons(conn, member, *now).await?;
                    Ok::<(), Error>(())
                })
            })
            .await
    }

    /// 128 random bits as text.
    pub(crate) fn random_key(&self) -> String {
        let random = &self.ports().random;
        format!("{:016x}{:016x}", random.bits(), random.bits())
    }

    /// Places the order of the basket.
    ///
    /// # Errors
    /// What a member can put right: `basket_empty`, `sold_out`, `not_enough`,
    /// `price_changed`, `slot_missing`, `slot_full`, `slot_closed`,
    /// `address_missing`, `too_far`, `coupon_unusable`, `age_unconfirmed`,
    /// `invalid` on a field, `key_reused`; `busy`.
    pub async fn place(&self, visit: &Visit, form: PlaceForm) -> Result<Placed> {
        let member = visit.member()?.clone();
        check_form(&form)?;
        let mut tries = 0;
        let order = loop {
            tries += 1;
            let job = self.place_job(visit, &form)?;
            let lane = Lane::Store(visit.store.as_str());
            let placed = self.store().write(lane, job, |conn, job| Box::pin(place_in_tx(conn, job))).await;
            match placed {
                // The same key in another server at this moment, or a code that is taken: look again.
                Err(Error::Store(store::Error::Constraint(_))) if tries < 3 => {}
                other => break other?,
            }
        };
        metrics::counter!("zaijia_orders_placed_total").increment(1);
        let payment_url = match order.pay {
            None => format!("/orders/{}", order.code),
            Some(plan) => self.open_now(&plan).await.unwrap_or_else(|| format!("/pay/{}", order.code)),
        };
        tracing::info!(order = order.code, store = %visit.store, member = %member, "order placed");
        Ok(Placed { code: order.code, payment_url })
    }

    fn place_job(&self, visit: &Visit, form: &PlaceForm) -> Result<PlaceJob> {
        let random = &self.ports().random;
        let kind: Kind = form.kind.parse().map_err(|_| Error::from(UserError::invalid("kind")))?;
        Ok(PlaceJob {
            visit: visit.clone(),
            hash: request_hash(visit, form)?,
            coupon: CouponPick::parse(form.coupon.as_deref(), CouponPick::None)?,
            kind,
            form: form.clone(),
            order: OrderId::trusted(store::new_id()),
            code: code::order_code(random.bits()),
            pickup_code: match kind {
                Kind::Pickup => format!("{:06}", random.bits() % 1_000_000),
                Kind::Delivery => String::new(),
            },
            channel: self.ports().channel.name(),
            hold_ms: self.settings().hold_ms,
        })
    }
}

/// May this word be the default for goods without a choice of their own?
fn is_default(choice: &str) -> bool {
    matches!(choice, "refund" | "best_match" | "ask_me")
}

fn check_form(form: &PlaceForm) -> Result<()> {
    let key = form.idempotency_key.as_str();
    let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !(8..=64).contains(&key.len()) || !plain {
        return Err(UserError::invalid("idempotency_key").into());
    }
    if form.note.chars().count() > NOTE_MAX {
        return Err(UserError::invalid("note").with("max", NOTE_MAX).into());
    }
    if form.substitution_default.as_deref().is_some_and(|choice| !is_default(choice)) {
        return Err(UserError::invalid("substitution_default").into());
    }
    Ok(())
}

/// What was asked for under a key, so that the key cannot stand for two things.
fn request_hash(visit: &Visit, form: &PlaceForm) -> Result<String> {
    let asked = PlaceForm { idempotency_key: String::new(), ..form.clone() };
    let text = serde_json::to_string(&(&visit.store, &asked))?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    Ok(crate::sandbox::hex(digest.as_ref()))
}

fn slot_views(rows: &[SlotRow], store: &StoreTerms, chosen: Option<&str>, visit: &Visit) -> Vec<SlotView> {
    let zone = calendar::zone(&store.zone);
    let today = calendar::day_of(&zone, visit.now);
    let view = |row: &SlotRow| {
        let starts = domain::Millis(row.starts_at);
        let day = calendar::day_of(&zone, starts);
        let left = (row.capacity - row.taken).max(0);
        let open = left > 0 && row.cutoff_at > visit.now.0;
        SlotView {
            id: SlotId::trusted(row.id.as_str()),
            kind: row.kind.clone(),
            day: calendar::date_of(day).to_string(),
            day_code: match day - today {
                0 => "today",
                1 => "tomorrow",
                _ => "",
            }
            .to_owned(),
            hours: local::hours(starts, domain::Millis(row.ends_at), &zone),
            starts,
            left,
            open,
            chosen: open && chosen == Some(row.id.as_str()),
        }
    };
    rows.iter().map(view).collect()
}

fn coupon_views(quote: &Quote, lang: Lang) -> Vec<CouponView> {
    let mut views: Vec<CouponView> = Vec::with_capacity(quote.priced.coupons.len());
    for out in &quote.priced.coupons {
        let Some(held) = quote.input.coupons.iter().find(|coupon| coupon.id == out.id) else { continue };
        let (threshold, off) = held.offer.threshold_and_off().unwrap_or_default();
        views.push(CouponView {
            id: out.id.clone(),
            name: quote.name(Some(&out.offer), lang),
            threshold,
            off,
            ends: held.expires.unwrap_or_default(),
            unusable: out.unusable.clone(),
            chosen: out.applied,
        });
    }
    views.sort_by_key(|view| (view.unusable.is_some(), view.ends));
    views
}

/// Everything that placing an order needs, made before the unit of work.
#[derive(Debug)]
struct PlaceJob {
    visit: Visit,
    form: PlaceForm,
    hash: String,
    kind: Kind,
    coupon: CouponPick,
    order: OrderId,
    code: String,
    pickup_code: String,
    channel: &'static str,
    hold_ms: i64,
}

/// What came of it.
#[derive(Debug)]
struct PlacedOrder {
    code: String,
    /// The payment that waits; none if nothing was to pay.
    pay: Option<PaymentPlan>,
}

async fn place_in_tx(conn: &mut Conn, job: &PlaceJob) -> Result<PlacedOrder> {
    let PlaceJob { visit, form, .. } = job;
    let member = visit.member()?;
    if let Some(order) = orders::by_key(conn, member, &form.idempotency_key).await? {
        return again(conn, job, &order).await;
    }
    let ask = Ask {
        store: &visit.store,
        basket: &visit.basket,
        member: Some(member),
        kind: job.kind,
        coupon: &job.coupon,
        now: visit.now,
    };
    let quote = quote(conn, &ask).await?;
    check_quote(job, &quote)?;
    let address = address_in_tx(conn, job, &quote.store).await?;
    reserve_in_tx(conn, job, &quote).await?;
    let slot = slot_in_tx(conn, job).await?;
    take_offers_in_tx(conn, job, &quote).await?;
    let order = order_row(job, &quote, &slot, address.as_ref())?;
    orders::insert(conn, &order).await?;
    orders::insert_lines(conn, &visit.store, &job.order, &line_rows(&order, &quote)).await?;
    orders::insert_shares(conn, &visit.store, &job.order, &share_rows(&quote)).await?;
    add_event(conn, &order, visit.now, NewEvent::of("placed", "member")).await?;
    let skus: Vec<_> = quote.input.lines.iter().map(|line| line.sku.clone()).collect();
    baskets::remove(conn, &visit.basket, &skus).await?;
    baskets::touch(conn, &visit.basket, "", visit.now).await?;
    baskets::remember_buyer(conn, member, &order.substitution_default, &visit.store).await?;
    conn.touch_order(member, &job.order, &order.code);
    let pay = if order.total > 0 {
        Some(open_payment_in_tx(conn, &order, job.channel, visit.now).await?)
    } else {
        crate::payments::paid_in_full_in_tx(conn, &order, visit.now).await?;
        None
    };
    Ok(PlacedOrder { code: order.code, pay })
}

/// The key was used before: the same request gets the same order.
async fn again(conn: &mut Conn, job: &PlaceJob, order: &OrderRow) -> Result<PlacedOrder> {
    if order.request_hash != job.hash {
        return Err(Code::KeyReused.into());
    }
    let payments = store::payments::of_order(conn, &order.store(), &order.order()).await?;
    let waiting = payments.iter().find(|p| p.state == "created" && order.state == State::PendingPayment.as_str());
    Ok(PlacedOrder { code: order.code.clone(), pay: waiting.map(|p| PaymentPlan::of(p, order)) })
}

/// What the member sees first of what is wrong with the basket.
fn check_quote(job: &PlaceJob, quote: &Quote) -> Result<()> {
    let gone = quote.gone.first().map(|row| {
        let name = row.goods.name(job.visit.lang);
        UserError::new(Code::SoldOut).with("sku", &row.goods.sku_id).with("name", name).with("left", 0)
    });
    if quote.lines.is_empty() {
        return Err(gone.unwrap_or_else(|| Code::BasketEmpty.into()).into());
    }
    if let CouponPick::This(id) = &job.coupon
        && !quote.priced.coupons.iter().any(|coupon| coupon.id == *id && coupon.applied)
    {
        return Err(UserError::new(Code::CouponUnusable).field("coupon").into());
    }
    if let Some(age) = quote.age_limit()
        && !job.form.age_confirmed
    {
        return Err(UserError::new(Code::AgeUnconfirmed).with("age", age).field("age_confirmed").into());
    }
    let payable = quote.priced.payable;
    if payable.0 != job.form.payable {
        // A page that still counted what has gone is told of that, not of a price.
        let changed = UserError::new(Code::PriceChanged).with("old", job.form.payable).with("new", payable.0);
        return Err(gone.unwrap_or(changed).into());
    }
    Ok(())
}

async fn address_in_tx(conn: &mut Conn, job: &PlaceJob, store: &StoreTerms) -> Result<Option<FrozenAddress>> {
    if job.kind == Kind::Pickup {
        return Ok(None);
    }
    let missing = || Error::from(UserError::new(Code::AddressMissing).field("address"));
    let id = job.form.address.as_deref().and_then(|id| AddressId::parse(id).ok()).ok_or_else(missing)?;
    let row = members::address(conn, job.visit.member()?, &id).await?.ok_or_else(missing)?;
    let place = row.lat_e6.zip(row.lon_e6);
    let away = place.map(|place| distance_m((store.lat_e6, store.lon_e6), place));
    if away.is_some_and(|metres| metres > store.delivery_radius_m) {
        let far = UserError::new(Code::TooFar).with("radius_m", store.delivery_radius_m).field("address");
        return Err(far.into());
    }
    let AddressRow { name, phone, area, detail, lat_e6, lon_e6, .. } = row;
    Ok(Some(FrozenAddress { name, phone, area, detail, lat_e6, lon_e6 }))
}

async fn reserve_in_tx(conn: &mut Conn, job: &PlaceJob, quote: &Quote) -> Result<()> {
    let wants: Vec<(PoolId, Base)> = quote
        .lines
        .iter()
        .map(|row| (PoolId::trusted(row.goods.pool_id.as_str()), Packs(row.qty).base(Base(row.goods.pack_size))))
        .collect();
    let reserved = store::stock::reserve(conn, &job.visit.store, &job.order, "place", &wants, job.visit.now).await?;
    let Err(shorts) = reserved else { return Ok(()) };
    // The first line of the basket whose pool is short is the one to name.
    let short = quote.lines.iter().find_map(|row| {
        let short = shorts.iter().find(|short| short.pool.as_str() == row.goods.pool_id)?;
        Some((row, short.left.0.max(0) / row.goods.pack_size.max(1)))
    });
    let Some((row, left)) = short else { return Err(Code::SoldOut.into()) };
    let code = if left < 1 { Code::SoldOut } else { Code::NotEnough };
    let name = row.goods.name(job.visit.lang);
    Err(UserError::new(code).with("sku", &row.goods.sku_id).with("name", name).with("left", left).into())
}

async fn slot_in_tx(conn: &mut Conn, job: &PlaceJob) -> Result<SlotRow> {
    let wrong = |code| Error::from(UserError::new(code).field("slot"));
    let id = job.form.slot.as_deref().filter(|id| !id.is_empty()).ok_or_else(|| wrong(Code::SlotMissing))?;
    let id = SlotId::parse(id).map_err(|_| wrong(Code::SlotMissing))?;
    let (store, now) = (&job.visit.store, job.visit.now);
    if let Some(slot) = slots::take(conn, store, &id, job.kind.as_str(), now).await? {
        return Ok(slot);
    }
    match slots::by_id(conn, store, &id).await? {
        Some(slot) if slot.kind != job.kind.as_str() => Err(wrong(Code::SlotMissing)),
        Some(slot) if slot.cutoff_at > now.0 => Err(wrong(Code::SlotFull)),
        Some(_) => Err(wrong(Code::SlotClosed)),
        None => Err(wrong(Code::SlotMissing)),
    }
}

/// Takes a place of each offer that applied, and the coupon.
async fn take_offers_in_tx(conn: &mut Conn, job: &PlaceJob, quote: &Quote) -> Result<()> {
    let member = job.visit.member()?;
    let mut uses: Vec<places::Use> = Vec::new();
    for step in &quote.priced.steps {
        let Some(offer) = &step.offer else { continue };
        match uses.iter_mut().find(|known| known.offer == *offer) {
            Some(known) => known.amount += step.amount.0,
            None => uses.push(places::Use { offer: offer.clone(), amount: step.amount.0 }),
        }
    }
    if !places::take(conn, member, &job.order, &uses).await? {
        // Another order took the last place since the basket was priced: it costs more now.
        let without = quote.without_offers();
        return Err(UserError::new(Code::PriceChanged).with("old", job.form.payable).with("new", without.0).into());
    }
    if let CouponPick::This(id) = &job.coupon
        && !places::hold_coupon(conn, member, id, &job.order, job.visit.now).await?
    {
        return Err(UserError::new(Code::CouponUnusable).field("coupon").into());
    }
    Ok(())
}

fn order_row(job: &PlaceJob, quote: &Quote, slot: &SlotRow, address: Option<&FrozenAddress>) -> Result<OrderRow> {
    let PlaceJob { visit, form, .. } = job;
    let member = visit.member()?;
    let fallback = quote.member.as_ref().map_or("refund", |row| row.substitution_default.as_str());
    let steps: Vec<FrozenStep> = quote
        .priced
        .steps
        .iter()
        .map(|step| FrozenStep {
            step: step.step.as_str().to_owned(),
            offer: step.offer.as_ref().map(ToString::to_string).unwrap_or_default(),
            zh: quote.name(step.offer.as_ref(), Lang::Zh),
            en: quote.name(step.offer.as_ref(), Lang::En),
            amount: step.amount,
        })
        .collect();
    let coupon = match &job.coupon {
        CouponPick::This(id) => Some(id.to_string()),
        _ => None,
    };
    Ok(OrderRow {
        store_id: visit.store.to_string(),
        id: job.order.to_string(),
        code: job.code.clone(),
        member_id: member.to_string(),
        state: State::PendingPayment.as_str().to_owned(),
        version: 1,
        kind: job.kind.as_str().to_owned(),
        slot_id: slot.id.clone(),
        slot_starts_at: slot.starts_at,
        slot_ends_at: slot.ends_at,
        address: address.map(serde_json::to_string).transpose()?.unwrap_or_default(),
        note: form.note.trim().to_owned(),
        substitution_default: form.substitution_default.clone().unwrap_or_else(|| fallback.to_owned()),
        is_member: quote.input.member.is_member,
        coupon_id: coupon,
        goods: quote.priced.shelf_total.0,
        discount: quote.priced.discount_total.0,
        delivery_fee: quote.priced.delivery_fee.0,
        total: quote.priced.payable.0,
        paid: 0,
        refunded: 0,
        steps: serde_json::to_string(&steps)?,
        pickup_code: job.pickup_code.clone(),
        idempotency_key: form.idempotency_key.clone(),
        request_hash: job.hash.clone(),
        lang: visit.lang.tag().to_owned(),
        placed_at: visit.now.0,
        hold_until: Some(visit.now.plus(job.hold_ms).0),
    })
}

fn line_rows(order: &OrderRow, quote: &Quote) -> Vec<OrderLineRow> {
    let rows = quote.lines.iter().zip(&quote.priced.lines).zip(1..);
    rows.map(|((row, out), no)| OrderLineRow {
        line_no: no,
        sku_id: row.goods.sku_id.clone(),
        pool_id: row.goods.pool_id.clone(),
        pack_size: row.goods.pack_size,
        qty: row.qty,
        short_qty: 0,
        shelf_price: out.shelf_price.0,
        unit_price: out.unit_price.0,
        gross: out.gross.0,
        discount: (out.gross - out.total).0,
        total: out.total.0,
        refunded: 0,
        choice: if row.choice.is_empty() { order.substitution_default.clone() } else { row.choice.clone() },
        chosen: row.chosen.clone(),
        name_zh: row.goods.name(Lang::Zh),
        name_en: row.goods.name(Lang::En),
        picture: row.goods.picture.clone(),
        sku_code: row.goods.code.clone(),
    })
    .collect()
}

fn share_rows(quote: &Quote) -> Vec<ShareRow> {
    let lines = quote.priced.lines.iter().zip(1..);
    lines
        .flat_map(|(line, line_no)| {
            line.shares.iter().zip(1..).map(move |(share, step_no)| ShareRow {
                line_no,
                step_no,
                step: share.step.as_str().to_owned(),
                offer_id: share.offer.as_ref().map(ToString::to_string).unwrap_or_default(),
                amount: share.amount.0,
            })
        })
        .collect()
}

impl Quote {
    /// What the basket would cost without the offers that have bounds: what a
    /// page is told when the last place went to another.
    fn without_offers(&self) -> Fen {
        let mut input = self.input.clone();
        input.offers.retain(|offer| offer.total.is_none() && offer.budget.is_none() && offer.per_member.is_none());
        if self.input.coupons.iter().any(|c| c.offer.kind() == OfferKind::Coupon && c.offer.total.is_some()) {
            input.coupon = None;
        }
        domain::pricing::price(&input).payable
    }
}
