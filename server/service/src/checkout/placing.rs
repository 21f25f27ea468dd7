//! Placing the order of a basket, all of it or nothing.

use super::desk::Desk;
use super::rows::write;
use super::{FrozenAddress, Placed, is_default};
use crate::members::fingerprint;
use crate::quote::{CouponPick, Quote};
use crate::{Error, Result, Shop, Visit};
use domain::ids::OrderId;
use domain::order::State;
use domain::pricing::OfferKind;
use domain::slot::Kind;
use domain::view::PlaceForm;
use domain::{Code, Fen, UserError, code};
use std::collections::HashSet;
use store::orders::{self, OrderRow};
use store::slots::SlotRow;
use store::{Conn, Lane, Together, Unit, places};

/// The longest note to the picker, in characters.
const NOTE_MAX: usize = 200;

impl Shop {
    /// Places the order of the basket.
    ///
    /// # Errors
    /// What a member can put right: `basket_empty`, `sold_out`, `not_enough`,
    /// `price_changed`, `store_changed`, `slot_missing`, `slot_full`, `slot_closed`,
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
            match self.store().write_together::<Placing>(lane, job).await {
                // The same key in another server at this moment, or a code that is taken: look again.
                Err(Error::Store(store::Error::Constraint(_))) if tries < 3 => {}
                other => break other?,
            }
        };
        metrics::counter!("zaijia_orders_placed_total").increment(1);
        tracing::info!(order = order.code, store = %visit.store, member = %member, "order placed");
        let payment_url = if order.to_pay { format!("/pay/{}", order.code) } else { format!("/orders/{}", order.code) };
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
    if !crate::members::is_key(&form.idempotency_key) {
        return Err(UserError::invalid("idempotency_key").into());
    }
    // A note has lines, and no other control characters. PostgreSQL takes no NUL: it would
    // undo all that is served together.
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if form.note.chars().count() > NOTE_MAX || form.note.contains(odd) {
        return Err(UserError::invalid("note").with("max", NOTE_MAX).into());
    }
    if form.substitution_default.as_deref().is_some_and(|choice| !is_default(choice)) {
        return Err(UserError::invalid("substitution_default").into());
    }
    Ok(())
}

/// What was asked for under a key, so that the key cannot stand for two things. A form that
/// names its store asks for the same thing, whichever store was chosen since then.
fn request_hash(visit: &Visit, form: &PlaceForm) -> Result<String> {
    let store = if form.store.is_empty() { visit.store.to_string() } else { form.store.clone() };
    let asked = PlaceForm { idempotency_key: String::new(), store, ..form.clone() };
    Ok(fingerprint(&serde_json::to_string(&asked)?))
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
#[derive(Clone, Debug)]
pub(super) struct PlacedOrder {
    pub code: String,
    /// Does it wait for a payment?
    pub to_pay: bool,
}

/// Placing orders, for all who wait for it in a lane at once: what they ask
/// for is read, decided in the order in which they came, and written, each by a
/// fixed number of statements.
struct Placing;

impl Together for Placing {
    type Input = PlaceJob;
    type Output = PlacedOrder;
    type Error = Error;

    fn work<'c>(conn: &'c mut Conn, jobs: &'c [PlaceJob]) -> Unit<'c, Vec<Result<PlacedOrder>>, Error> {
        Box::pin(async move {
            let mut answers: Vec<Option<Result<PlacedOrder>>> = jobs.iter().map(|_| None).collect();
            let mut waiting: Vec<usize> = (0..jobs.len()).collect();
            while !waiting.is_empty() {
                // A member's second order must see what the first one left.
                let mut members = HashSet::new();
                let (now, later): (Vec<_>, Vec<_>) =
                    waiting.into_iter().partition(|no| members.insert(&jobs[*no].visit.member));
                place_round(conn, jobs, &now, &mut answers).await?;
                waiting = later;
            }
            let lost = || Err(Error::Internal("an order without an answer".to_owned()));
            Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(lost)).collect())
        })
    }
}

/// An order that has been decided on, to be written.
pub(super) struct Decided<'a> {
    pub no: usize,
    pub job: &'a PlaceJob,
    pub quote: Quote,
    pub slot: SlotRow,
    pub address: Option<FrozenAddress>,
    pub uses: Vec<places::Use>,
}

/// Places the orders of the jobs in `round`, each of another member.
async fn place_round(
    conn: &mut Conn,
    jobs: &[PlaceJob],
    round: &[usize],
    answers: &mut [Option<Result<PlacedOrder>>],
) -> Result<()> {
    let fresh = answer_known(conn, jobs, round, answers).await?;
    let mut refused = Vec::new();
    let mut decided = Vec::with_capacity(fresh.len());
    if !fresh.is_empty() {
        let mut desk = Desk::open(conn, jobs, &fresh).await?;
        for no in fresh {
            match desk.decide(no, &jobs[no]) {
                Ok(order) => decided.push(order),
                Err(error) => {
                    answers[no] = Some(Err(error));
                    refused.push(no);
                }
            }
        }
        desk.write(conn).await?;
    }
    for (no, placed) in write(conn, &decided).await? {
        answers[no] = Some(Ok(placed));
    }
    if !refused.is_empty() {
        // What is gone may have gone to the same form, at another server since it was looked for.
        answer_known(conn, jobs, &refused, answers).await?;
    }
    Ok(())
}

/// Answers the jobs whose orders were placed before; the numbers of the others.
async fn answer_known(
    conn: &mut Conn,
    jobs: &[PlaceJob],
    numbers: &[usize],
    answers: &mut [Option<Result<PlacedOrder>>],
) -> Result<Vec<usize>> {
    let asked: Vec<&PlaceJob> = numbers.iter().map(|&no| &jobs[no]).collect();
    let before = known(conn, &asked).await?;
    let mut fresh = Vec::with_capacity(numbers.len());
    for &no in numbers {
        let job = &jobs[no];
        match before.iter().find(|order| job.is(order)) {
            Some(order) => {
                let placed = again(conn, job, order).await;
                // A failure of the database is everybody's.
                answers[no] =
                    Some(if let Err(Error::Store(error)) = placed { return Err(error.into()) } else { placed });
            }
            None => fresh.push(no),
        }
    }
    Ok(fresh)
}

impl PlaceJob {
    /// Was this order placed by the same request?
    fn is(&self, order: &OrderRow) -> bool {
        let member = self.visit.member.as_ref().map(domain::ids::MemberId::as_str);
        member == Some(order.member_id.as_str()) && order.idempotency_key == self.form.idempotency_key
    }
}

/// Orders that were placed under the same keys before.
pub(super) async fn known(conn: &mut Conn, jobs: &[&PlaceJob]) -> Result<Vec<OrderRow>> {
    let keys = jobs
        .iter()
        .filter_map(|PlaceJob { visit, form, .. }| Some((visit.member.as_ref()?, form.idempotency_key.as_str())));
    Ok(orders::by_keys(conn, &keys.collect::<Vec<_>>()).await?)
}

/// The key was used before: the same request gets the same order.
async fn again(conn: &mut Conn, job: &PlaceJob, order: &OrderRow) -> Result<PlacedOrder> {
    if order.request_hash != job.hash {
        return Err(Code::KeyReused.into());
    }
    let payments = store::payments::of_order(conn, &order.store(), &order.order()).await?;
    let to_pay = order.state == State::PendingPayment.as_str() && payments.iter().any(|p| p.state == "created");
    Ok(PlacedOrder { code: order.code.clone(), to_pay })
}

/// What the member sees first of what is wrong with the basket.
pub(super) fn check_quote(job: &PlaceJob, quote: &Quote) -> Result<()> {
    // The store is the browser's, and another tab may have changed it since the page was shown.
    if !job.form.store.is_empty() && job.form.store != job.visit.store.as_str() {
        return Err(Code::StoreChanged.into());
    }
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

impl Quote {
    /// What the basket would cost without the offers that have bounds: what a
    /// page is told when the last place went to another.
    pub(super) fn without_offers(&self) -> Fen {
        let mut input = self.input.clone();
        input.offers.retain(|offer| offer.total.is_none() && offer.budget.is_none() && offer.per_member.is_none());
        if self.input.coupons.iter().any(|c| c.offer.kind() == OfferKind::Coupon && c.offer.total.is_some()) {
            input.coupon = None;
        }
        domain::pricing::price(&input).payable
    }
}
