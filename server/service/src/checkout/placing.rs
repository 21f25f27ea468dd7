//! Placing the order of a basket, all of it or nothing.

use super::rows::{line_rows, order_row, share_rows};
use super::{FrozenAddress, Placed, is_default};
use crate::members::distance_m;
use crate::orders::{NewEvent, add_event};
use crate::payments::{PaymentPlan, open_payment_in_tx};
use crate::quote::{Ask, CouponPick, Quote, quote};
use crate::{Error, Result, Shop, Visit};
use domain::ids::{AddressId, OrderId, PoolId, SlotId};
use domain::order::State;
use domain::pricing::OfferKind;
use domain::slot::Kind;
use domain::view::PlaceForm;
use domain::{Base, Code, Fen, Packs, UserError, code};
use store::members::{self, AddressRow};
use store::orders::{self, OrderRow};
use store::slots::{self, SlotRow, StoreTerms};
use store::{Conn, Lane, baskets, places};

/// The longest note to the picker, in characters.
const NOTE_MAX: usize = 200;

impl Shop {
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

/// Everything that placing an order needs, made before the unit of work.
#[derive(Debug)]
pub(super) struct PlaceJob {
    pub visit: Visit,
    pub form: PlaceForm,
    pub hash: String,
    pub kind: Kind,
    pub coupon: CouponPick,
    pub order: OrderId,
    pub code: String,
    pub pickup_code: String,
    pub channel: &'static str,
    pub hold_ms: i64,
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
