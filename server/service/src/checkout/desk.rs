//! The desk at which orders are decided on, one after another in the order in
//! which they came, over rows that were read for all of them at once: what one
//! takes is gone for the next. What was taken is then written by conditional
//! updates, so that another server can take nothing twice; if one of them
//! fails, the unit is void and each order is decided on alone.

use super::FrozenAddress;
use super::placing::{Decided, PlaceJob, check_quote};
use crate::members::distance_m;
use crate::quote::{Ask, CouponPick, Quote, quotes};
use crate::{Error, Result};
use domain::ids::{AddressId, MemberId, OfferId, PoolId, SlotId, StoreId};
use domain::pricing::{Input, price};
use domain::slot::Kind;
use domain::{Base, Code, Fen, Millis, Packs, UserError};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use store::members::{self, AddressRow};
use store::slots::{self, SlotRow, StoreTerms};
use store::stock::{Shelf, Short};
use store::{Conn, places};

/// What orders are decided over.
pub(super) struct Desk {
    quotes: VecDeque<Result<Quote>>,
    addresses: HashMap<(MemberId, String), AddressRow>,
    shelves: BTreeMap<StoreId, Shelf>,
    slots: HashMap<(StoreId, String), SlotRow>,
    /// Places taken, by store and slot.
    slots_taken: BTreeMap<(StoreId, String), i64>,
    /// Places and fen taken of each offer.
    offers_taken: HashMap<OfferId, (u32, Fen)>,
    now: Millis,
}

impl Desk {
    /// Reads what the jobs with these numbers need, and locks the levels.
    pub(super) async fn open(conn: &mut Conn, jobs: &[PlaceJob], numbers: &[usize]) -> Result<Self> {
        let jobs: Vec<&PlaceJob> = numbers.iter().map(|no| &jobs[*no]).collect();
        let asks: Vec<Ask<'_>> = jobs.iter().map(|job| job.ask()).collect();
        let quotes = quotes(conn, &asks).await?;
        let addresses = addresses(conn, &jobs).await?;
        let mut pools: BTreeMap<StoreId, BTreeSet<PoolId>> = BTreeMap::new();
        let mut slot_ids: BTreeMap<StoreId, BTreeSet<SlotId>> = BTreeMap::new();
        for (job, quote) in jobs.iter().zip(&quotes) {
            let store = &job.visit.store;
            if let Ok(quote) = quote {
                pools.entry(store.clone()).or_default().extend(wants(quote).into_iter().map(|(pool, _)| pool));
            }
            slot_ids.entry(store.clone()).or_default().extend(job.slot());
        }
        let mut shelves = BTreeMap::new();
        for (store, pools) in pools {
            let pools: Vec<PoolId> = pools.into_iter().collect();
            shelves.insert(store.clone(), Shelf::lock(conn, &store, &pools).await?);
        }
        let mut slots = HashMap::new();
        for (store, ids) in slot_ids {
            for row in slots::by_ids(conn, &store, &ids.iter().collect::<Vec<_>>()).await? {
                slots.insert((store.clone(), row.id.clone()), row);
            }
        }
        Ok(Self {
            quotes: quotes.into(),
            addresses,
            shelves,
            slots,
            slots_taken: BTreeMap::new(),
            offers_taken: HashMap::new(),
            now: jobs.iter().map(|job| job.visit.now).max().unwrap_or_default(),
        })
    }

    /// Decides on the next job and takes what its order needs; a refusal takes nothing.
    pub(super) fn decide<'a>(&mut self, no: usize, job: &'a PlaceJob) -> Result<Decided<'a>> {
        let lost = || Error::Internal("a basket without a quote".to_owned());
        let mut quote = self.quotes.pop_front().ok_or_else(lost)??;
        self.count_taken(&mut quote);
        check_quote(job, &quote)?;
        let address = self.address(job, &quote.store)?;
        let wants = wants(&quote);
        let shelf = self.shelves.get(&job.visit.store).ok_or_else(lost)?;
        shelf.can_hold(&wants, job.visit.now).map_err(|short| name_short(job, &quote, &short))?;
        let slot = self.slot(job)?.clone();
        let uses = uses(&quote);
        for place in &uses {
            let taken = self.offers_taken.entry(place.offer.clone()).or_default();
            *taken = (taken.0 + 1, taken.1 + Fen(place.amount));
        }
        *self.slots_taken.entry((job.visit.store.clone(), slot.id.clone())).or_default() += 1;
        if let Some(shelf) = self.shelves.get_mut(&job.visit.store) {
            shelf.hold(&job.order, "place", &wants, job.visit.now);
        }
        Ok(Decided { no, job, quote, slot, address, uses })
    }

    /// Writes what was taken of shelves and slots.
    pub(super) async fn write(self, conn: &mut Conn) -> Result<()> {
        for shelf in self.shelves.into_values() {
            shelf.write(conn, self.now).await?;
        }
        let mut stores: BTreeMap<&StoreId, Vec<(&str, i64)>> = BTreeMap::new();
        for ((store, slot), places) in &self.slots_taken {
            stores.entry(store).or_default().push((slot, *places));
        }
        for (store, takes) in stores {
            if !slots::take_all(conn, store, &takes, self.now).await? {
                // Alone, the order reads the slot again and says which it is: full or closed.
                return Err(UserError::new(Code::SlotFull).field("slot").into());
            }
        }
        Ok(())
    }

    fn address(&self, job: &PlaceJob, store: &StoreTerms) -> Result<Option<FrozenAddress>> {
        if job.kind == Kind::Pickup {
            return Ok(None);
        }
        let missing = || Error::from(UserError::new(Code::AddressMissing).field("address"));
        let key = (job.visit.member()?.clone(), job.form.address.clone().ok_or_else(missing)?);
        let AddressRow { name, phone, area, detail, lat_e6, lon_e6, .. } =
            self.addresses.get(&key).cloned().ok_or_else(missing)?;
        let away = lat_e6.zip(lon_e6).map(|place| distance_m((store.lat_e6, store.lon_e6), place));
        if away.is_some_and(|metres| metres > store.delivery_radius_m) {
            let far = UserError::new(Code::TooFar).with("radius_m", store.delivery_radius_m).field("address");
            return Err(far.into());
        }
        Ok(Some(FrozenAddress { name, phone, area, detail, lat_e6, lon_e6 }))
    }

    /// The chosen slot, if it has a place left.
    fn slot(&self, job: &PlaceJob) -> Result<&SlotRow> {
        let wrong = |code| Error::from(UserError::new(code).field("slot"));
        let id = job.slot().ok_or_else(|| wrong(Code::SlotMissing))?;
        let key = (job.visit.store.clone(), id.to_string());
        let slot = self.slots.get(&key).ok_or_else(|| wrong(Code::SlotMissing))?;
        if slot.kind != job.kind.as_str() {
            return Err(wrong(Code::SlotMissing));
        }
        if slot.cutoff_at <= job.visit.now.0 {
            return Err(wrong(Code::SlotClosed));
        }
        if slot.taken + self.slots_taken.get(&key).copied().unwrap_or(0) >= slot.capacity {
            return Err(wrong(Code::SlotFull));
        }
        Ok(slot)
    }

    /// Prices the basket again if orders before it took places of its offers.
    fn count_taken(&self, quote: &mut Quote) {
        let Input { offers, coupons, .. } = &mut quote.input;
        let mut changed = false;
        for offer in offers.iter_mut().chain(coupons.iter_mut().map(|coupon| &mut coupon.offer)) {
            if let Some((places, spent)) = self.offers_taken.get(&offer.id) {
                offer.used_total += places;
                offer.spent += *spent;
                changed |= offer.total.is_some() || offer.budget.is_some();
            }
        }
        if changed {
            quote.priced = price(&quote.input);
        }
    }
}

/// What the price uses of each offer.
fn uses(quote: &Quote) -> Vec<places::Use> {
    let mut uses: Vec<places::Use> = Vec::new();
    for step in &quote.priced.steps {
        let Some(offer) = &step.offer else { continue };
        match uses.iter_mut().find(|known| known.offer == *offer) {
            Some(known) => known.amount += step.amount.0,
            None => uses.push(places::Use { offer: offer.clone(), amount: step.amount.0 }),
        }
    }
    uses
}

impl PlaceJob {
    fn ask(&self) -> Ask<'_> {
        Ask {
            store: &self.visit.store,
            basket: &self.visit.basket,
            member: self.visit.member.as_ref(),
            kind: self.kind,
            coupon: &self.coupon,
            now: self.visit.now,
        }
    }

    fn slot(&self) -> Option<SlotId> {
        self.form.slot.as_deref().and_then(|id| SlotId::parse(id).ok())
    }

    /// The coupon that the member chose.
    pub(super) fn coupon(&self) -> Option<&domain::ids::CouponId> {
        match &self.coupon {
            CouponPick::This(id) => Some(id),
            _ => None,
        }
    }
}

/// The refusal when an offer's last place went to another.
pub(super) fn price_changed(job: &PlaceJob, quote: &Quote) -> Error {
    let without = quote.without_offers();
    UserError::new(Code::PriceChanged).with("old", job.form.payable).with("new", without.0).into()
}

fn wants(quote: &Quote) -> Vec<(PoolId, Base)> {
    let want = |row: &store::baskets::LineRow| {
        (PoolId::trusted(row.goods.pool_id.as_str()), Packs(row.qty).base(Base(row.goods.pack_size)))
    };
    quote.lines.iter().map(want).collect()
}

/// The first line of the basket whose pool is short is the one to name.
fn name_short(job: &PlaceJob, quote: &Quote, shorts: &[Short]) -> Error {
    let short = quote.lines.iter().find_map(|row| {
        let short = shorts.iter().find(|short| short.pool.as_str() == row.goods.pool_id)?;
        Some((row, short.left.0.max(0) / row.goods.pack_size.max(1)))
    });
    let Some((row, left)) = short else { return Code::SoldOut.into() };
    let code = if left < 1 { Code::SoldOut } else { Code::NotEnough };
    let name = row.goods.name(job.visit.lang);
    UserError::new(code).with("sku", &row.goods.sku_id).with("name", name).with("left", left).into()
}

async fn addresses(conn: &mut Conn, jobs: &[&PlaceJob]) -> Result<HashMap<(MemberId, String), AddressRow>> {
    let asked: Vec<(&MemberId, AddressId)> = jobs
        .iter()
        .filter(|job| job.kind == Kind::Delivery)
        .filter_map(|job| Some((job.visit.member.as_ref()?, AddressId::parse(job.form.address.as_deref()?).ok()?)))
        .collect();
    let asked: Vec<(&MemberId, &AddressId)> = asked.iter().map(|(member, id)| (*member, id)).collect();
    let rows = members::some_addresses(conn, &asked).await?;
    Ok(rows.into_iter().map(|(member, row)| ((member, row.id.clone()), row)).collect())
}
