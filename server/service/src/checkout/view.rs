//! The checkout page: what an order would be.

use super::{CheckoutChoice, is_default};
use crate::quote::{CouponPick, Quote};
use crate::{Error, Result, Shop, Visit};
use crate::{calendar, local};
use domain::ids::SlotId;
use domain::slot::Kind;
use domain::time::MINUTE_MS;
use domain::view::{CheckoutView, CouponView, Lang, SlotView};
use store::slots::{self, SlotRow, StoreTerms};
use store::{Lane, places};

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
            store: visit.store.clone(),
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
