//! The basket: what is in it, what it costs, what shall happen if something is
//! missing.
//!
//! Rules: at most 99 packs of a product and 60 lines; a basket reserves
//! nothing; what was removed last can be put back; the choice for a missing
//! product is remembered, whether it is in the basket or not; on sign-in the
//! guest's basket and choices join the member's.

use crate::quote::{Ask, CouponPick, Quote, left, quote};
use crate::{Result, Shop, Visit};
use domain::availability::State;
use domain::ids::{BasketId, MemberId, OfferId, SkuId};
use domain::pricing::{HintKind, Reason, Scope, Winner};
use domain::slot::Kind;
use domain::substitution::{BadChoice, Choice};
use domain::view::{BasketLine, BasketView, Lang, LiveState, PriceTag, ProductCard, RejectedLine, StepLine};
use domain::view::{SubstitutionView, Totals};
use domain::{Code, Fen, Millis, Packs, UserError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use store::baskets::{self, GoodsRow, LineRow, PlainLine};
use store::{Conn, Lane};

/// The most lines in a basket.
pub const MAX_LINES: usize = 60;

/// How many goods are offered to fill a basket up.
const FILL_UP: i64 = 6;
/// They cost at least what is missing, or this much.
const FILL_UP_FROM: Fen = Fen(1_000);

/// A removed line, kept so that it can be put back.
#[derive(Debug, Serialize, Deserialize)]
struct Undo {
    sku: String,
    qty: i64,
    choice: String,
    chosen: String,
    added_at: i64,
    zh: String,
    en: String,
}

impl Shop {
    /// The basket as its page shows it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn basket(&self, visit: &Visit) -> Result<BasketView> {
        let mut conn = self.store().read().await?;
        let (mut view, quote) = self.basket_view(&mut conn, visit, Kind::Delivery, &CouponPick::None).await?;
        if let Some(hint) = &quote.priced.hint {
            // Something that reaches the threshold by itself, but not by far, and counts for it.
            let from = hint.short_by.min(FILL_UP_FROM);
            let offer = quote.input.offers.iter().find(|offer| Some(&offer.id) == hint.offer.as_ref());
            let scope = offer.map_or(&Scope::All, |offer| &offer.scope);
            let skus = baskets::fill_up(&mut conn, &visit.store, from, &visit.basket, scope, FILL_UP).await?;
            view.fill_up = self.cards_in(&mut conn, visit, &skus).await?;
        }
        Ok(view)
    }

    /// All packs in the basket, for the badge.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn basket_count(&self, visit: &Visit) -> Result<Packs> {
        Ok(baskets::count(&mut self.store().read().await?, &visit.basket).await?)
    }

    /// Adds packs of a product; answers how many are in the basket then.
    ///
    /// # Errors
    /// `not_sold_here`, `sold_out`, `not_enough`, `too_many_of_one`, `basket_full`.
    pub async fn add(&self, visit: &Visit, sku: &SkuId, packs: Packs) -> Result<Packs> {
        if packs.0 < 1 {
            return Err(UserError::invalid("packs").into());
        }
        self.change(visit, sku, Change::Add(packs)).await
    }

    /// Sets how many packs of a product are wanted; 0 removes the line (which [`undo`](Self::undo) brings back).
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn set_qty(&self, visit: &Visit, sku: &SkuId, packs: Packs) -> Result<()> {
        if packs.0 < 0 {
            return Err(UserError::invalid("packs").into());
        }
        self.change(visit, sku, Change::Set(packs)).await.map(|_| ())
    }

    async fn change(&self, visit: &Visit, sku: &SkuId, change: Change) -> Result<Packs> {
        let input = (visit.clone(), sku.clone(), change);
        let lane = Lane::Member(visit.basket.as_str());
        self.store()
            .write(lane, input, |conn, (visit, sku, change)| Box::pin(change_in_tx(conn, visit, sku, *change)))
            .await
    }

    /// Puts the line back that was removed last, if there is one.
    ///
    /// # Errors
    /// `basket_full` if other lines took its place.
    pub async fn undo(&self, visit: &Visit) -> Result<()> {
        let lane = Lane::Member(visit.basket.as_str());
        self.store().write(lane, visit.clone(), |conn, visit| Box::pin(undo_in_tx(conn, visit))).await
    }

    /// Chooses what shall happen if a product is missing. Kept on the line in
    /// the basket, and remembered: for a guest under the basket, up to the sign-in.
    ///
    /// # Errors
    /// `invalid` on `choice`, `too_many_substitutes`, `substitute_not_allowed`.
    pub async fn set_substitution(&self, visit: &Visit, sku: &SkuId, choice: &str, chosen: Vec<SkuId>) -> Result<()> {
        let (choice, chosen) = self.substitution(visit, sku, choice, &chosen).await?;
        let input = (visit.clone(), sku.clone(), choice, chosen);
        self.store()
            .write(Lane::Member(visit.basket.as_str()), input, |conn, (visit, sku, choice, chosen)| {
                Box::pin(async move {
                    // Who changes the quantity meanwhile writes the whole line.
                    baskets::lock(conn, &visit.basket, visit.now).await?;
                    baskets::set_choice(conn, &visit.basket, sku, choice, chosen).await?;
                    let row = (sku.to_string(), choice.clone(), chosen.clone());
                    Ok(baskets::remember_choices(conn, &visit.basket, &[row], visit.now).await?)
                })
            })
            .await
    }

    /// Checks a choice and gives it back as it is stored: word and JSON list.
    pub(crate) async fn substitution(
        &self,
        visit: &Visit,
        sku: &SkuId,
        choice: &str,
        chosen: &[SkuId],
    ) -> Result<(String, String)> {
        let choice = Choice::from_parts(choice, chosen).map_err(|bad| match bad {
            BadChoice::Unknown => UserError::invalid("choice"),
            BadChoice::TooMany => Code::TooManySubstitutes.into(),
        })?;
        if !choice.skus().is_empty() && !self.may_stand_in(visit, sku, choice.skus()).await? {
            return Err(UserError::new(Code::SubstituteNotAllowed).field("chosen").into());
        }
        Ok((choice.as_str().to_owned(), serde_json::to_string(choice.skus())?))
    }

    /// On sign-in: the guest's basket joins the member's. Quantities add up to
    /// the limit; of choices for missing goods the guest's hold, which were made
    /// last; what finds no place is left out. A second time it changes nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn adopt_basket(&self, guest: &BasketId, member: &MemberId, now: Millis) -> Result<()> {
        if guest.as_str() == member.as_str() {
            return Ok(());
        }
        let input = (guest.clone(), member.clone(), now);
        self.store()
            .write(Lane::Member(member.as_str()), input, |conn, (guest, member, now)| {
                Box::pin(adopt_in_tx(conn, guest, member, *now))
            })
            .await
    }

    /// The basket priced and shown, with the quote behind it.
    pub(crate) async fn basket_view(
        &self,
        conn: &mut Conn,
        visit: &Visit,
        kind: Kind,
        coupon: &CouponPick,
    ) -> Result<(BasketView, Quote)> {
        let ask = Ask {
            store: &visit.store,
            basket: &visit.basket,
            member: visit.member.as_ref(),
            kind,
            coupon,
            now: visit.now,
        };
        let quote = quote(conn, &ask).await?;
        let basket = baskets::basket(conn, &visit.basket).await?;
        let rows = || quote.lines.iter().chain(&quote.gone);
        let skus: Vec<SkuId> = rows().map(|row| SkuId::trusted(row.goods.sku_id.as_str())).collect();
        let cards = self.cards_in(conn, visit, &skus).await?;
        let mut cards: HashMap<SkuId, ProductCard> = cards.into_iter().map(|card| (card.sku.clone(), card)).collect();
        let fallback = quote.member.as_ref().map_or("refund", |member| member.substitution_default.as_str());
        let lines = quote.lines.iter().enumerate().map(|(i, row)| {
            let priced = quote.priced.lines.get(i).map_or((Fen::ZERO, Fen::ZERO), |line| (line.gross, line.total));
            basket_line(row, &mut cards, priced, fallback, visit)
        });
        let lines: Vec<BasketLine> = lines.collect();
        let gone = quote.gone.iter().map(|row| {
            let gross = Fen(row.goods.price).times(row.qty);
            basket_line(row, &mut cards, (gross, gross), fallback, visit)
        });
        let gone: Vec<BasketLine> = gone.collect();
        let undo = serde_json::from_str::<Undo>(&basket.undo).ok().map(|undo| {
            let name = visit.lang.pick(&undo.zh, &undo.en).to_owned();
            (SkuId::trusted(undo.sku), Packs(undo.qty), name)
        });
        let view = BasketView {
            count: lines.iter().chain(&gone).map(|line| line.qty).sum(),
            totals: totals(&quote, visit.lang),
            pricing: Some(quote.for_browser()),
            fill_up: Vec::new(),
            lines,
            gone,
            undo,
        };
        Ok((view, quote))
    }
}

/// A change of one line.
#[derive(Clone, Copy, Debug)]
enum Change {
    Add(Packs),
    Set(Packs),
}

async fn change_in_tx(conn: &mut Conn, visit: &Visit, sku: &SkuId, change: Change) -> Result<Packs> {
    baskets::lock(conn, &visit.basket, visit.now).await?;
    let lines = baskets::plain_lines(conn, &visit.basket).await?;
    let line = lines.iter().find(|line| line.sku_id == sku.as_str());
    let had = Packs(line.map_or(0, |line| line.qty));
    let want = match change {
        // However much is asked for: what is too much is refused below.
        Change::Add(more) => Packs(had.0.saturating_add(more.0)),
        Change::Set(want) => want,
    };
    if want == had {
        return Ok(had);
    }
    let goods = baskets::goods(conn, sku, &visit.store).await?;
    if want.0 == 0 {
        let undo = line.map(|line| removed(line, goods.as_ref())).transpose()?.unwrap_or_default();
        baskets::remove(conn, &visit.basket, std::slice::from_ref(sku)).await?;
        baskets::touch(conn, &visit.basket, &undo, visit.now).await?;
        return Ok(want);
    }
    let Some(goods) = goods.filter(|goods| goods.active && goods.on_hand.is_some()) else {
        return Err(UserError::new(Code::NotSoldHere).with("sku", sku).into());
    };
    check_qty(&goods, sku, had, want, visit)?;
    if line.is_none() && lines.len() >= MAX_LINES {
        return Err(UserError::new(Code::BasketFull).with("max", MAX_LINES).into());
    }
    let line = line.cloned().unwrap_or_else(|| PlainLine {
        sku_id: sku.to_string(),
        chosen: "[]".to_owned(),
        added_at: visit.now.0,
        ..PlainLine::default()
    });
    baskets::put_lines(conn, &visit.basket, &[PlainLine { qty: want.0, ..line }]).await?;
    baskets::touch(conn, &visit.basket, "", visit.now).await?;
    Ok(want)
}

/// May the line grow to `want`? Taking fewer is always allowed.
fn check_qty(goods: &GoodsRow, sku: &SkuId, had: Packs, want: Packs, visit: &Visit) -> Result<()> {
    let named = |code| UserError::new(code).with("sku", sku).with("name", goods.name(visit.lang));
    if want <= had {
        return Ok(());
    }
    if want > Packs::MAX_IN_BASKET {
        return Err(named(Code::TooManyOfOne).with("max", Packs::MAX_IN_BASKET).into());
    }
    match left(goods, visit.now) {
        Packs(0) => Err(named(Code::SoldOut).into()),
        left if want > left => Err(named(Code::NotEnough).with("left", left).into()),
        _ => Ok(()),
    }
}

fn removed(line: &PlainLine, goods: Option<&GoodsRow>) -> Result<String> {
    let undo = Undo {
        sku: line.sku_id.clone(),
        qty: line.qty,
        choice: line.choice.clone(),
        chosen: line.chosen.clone(),
        added_at: line.added_at,
        zh: goods.map(|goods| goods.name(Lang::Zh)).unwrap_or_default(),
        en: goods.map(|goods| goods.name(Lang::En)).unwrap_or_default(),
    };
    Ok(serde_json::to_string(&undo)?)
}

async fn undo_in_tx(conn: &mut Conn, visit: &Visit) -> Result<()> {
    baskets::lock(conn, &visit.basket, visit.now).await?;
    let basket = baskets::basket(conn, &visit.basket).await?;
    if basket.undo.is_empty() {
        return Ok(());
    }
    let undo: Undo = serde_json::from_str(&basket.undo)?;
    let lines = baskets::plain_lines(conn, &visit.basket).await?;
    let there = lines.iter().any(|line| line.sku_id == undo.sku);
    if !there && lines.len() >= MAX_LINES {
        return Err(UserError::new(Code::BasketFull).with("max", MAX_LINES).into());
    }
    if !there {
        let line = PlainLine {
            sku_id: undo.sku,
            qty: undo.qty,
            choice: undo.choice,
            chosen: undo.chosen,
            added_at: undo.added_at,
        };
        baskets::put_lines(conn, &visit.basket, &[line]).await?;
    }
    Ok(baskets::touch(conn, &visit.basket, "", visit.now).await?)
}

async fn adopt_in_tx(conn: &mut Conn, guest: &BasketId, member: &MemberId, now: Millis) -> Result<()> {
    // The guest's first: who signs in at two servers at once finds it empty the second time.
    baskets::lock(conn, guest, now).await?;
    let guests = baskets::plain_lines(conn, guest).await?;
    let mut choices = baskets::choices(conn, guest).await?;
    if guests.is_empty() && choices.is_empty() {
        return Ok(baskets::drop_basket(conn, guest).await?);
    }
    let own = BasketId::trusted(member.as_str());
    baskets::lock(conn, &own, now).await?;
    let mut lines = baskets::plain_lines(conn, &own).await?;
    for line in guests {
        if !line.choice.is_empty() && !choices.iter().any(|(sku, ..)| *sku == line.sku_id) {
            choices.push((line.sku_id.clone(), line.choice.clone(), line.chosen.clone()));
        }
        match lines.iter().position(|own| own.sku_id == line.sku_id) {
            Some(at) => lines[at].qty = (lines[at].qty + line.qty).min(Packs::MAX_IN_BASKET.0),
            None if lines.len() < MAX_LINES => lines.push(line),
            None => {}
        }
    }
    for line in &mut lines {
        if let Some((_, choice, chosen)) = choices.iter().find(|(sku, ..)| *sku == line.sku_id) {
            line.choice.clone_from(choice);
            line.chosen.clone_from(chosen);
        }
    }
    baskets::put_lines(conn, &own, &lines).await?;
    baskets::remember_choices(conn, &own, &choices, now).await?;
    baskets::touch(conn, &own, "", now).await?;
    Ok(baskets::drop_basket(conn, guest).await?)
}

fn basket_line(
    row: &LineRow,
    cards: &mut HashMap<SkuId, ProductCard>,
    (gross, total): (Fen, Fen),
    fallback: &str,
    visit: &Visit,
) -> BasketLine {
    let sku = SkuId::trusted(row.goods.sku_id.as_str());
    let card = cards.remove(&sku).unwrap_or_else(|| card_of_gone(sku, row, visit.lang));
    let left = left(&row.goods, visit.now);
    let choice = if row.choice.is_empty() { fallback } else { row.choice.as_str() };
    BasketLine {
        card,
        qty: Packs(row.qty),
        gross,
        total,
        substitution: SubstitutionView {
            choice: choice.to_owned(),
            chosen: serde_json::from_str(&row.chosen).unwrap_or_default(),
            candidates: Vec::new(),
        },
        short_to: (left.0 < row.qty).then_some(left),
    }
}

/// What is shown of a product that is off the list.
fn card_of_gone(sku: SkuId, row: &LineRow, lang: Lang) -> ProductCard {
    ProductCard {
        live: LiveState { sku: sku.clone(), state: State::SoldOut, max: Packs::ZERO },
        sku,
        code: row.goods.code.clone(),
        name: row.goods.name(lang),
        size: String::new(),
        picture: row.goods.picture.clone(),
        price: PriceTag { price: Fen(row.goods.price), ..PriceTag::default() },
        labels: Vec::new(),
        in_basket: Packs(row.qty),
    }
}

/// The totals in the reader's language.
pub(crate) fn totals(quote: &Quote, lang: Lang) -> Totals {
    let name = |id: Option<&OfferId>| quote.name(id, lang);
    let priced = &quote.priced;
    let worth_telling = |reason: &Reason| {
        !matches!(reason, Reason::OtherStore | Reason::OutOfScope | Reason::NotStarted | Reason::NoGain)
    };
    Totals {
        goods: priced.shelf_total,
        steps: priced
            .steps
            .iter()
            .map(|step| StepLine {
                step: step.step.as_str().to_owned(),
                name: name(step.offer.as_ref()),
                amount: step.amount,
            })
            .collect(),
        discount: priced.discount_total,
        delivery: priced.delivery_fee,
        payable: priced.payable,
        member_would_save: priced.member_would_save,
        rejected: priced
            .rejected
            .iter()
            .filter(|rejected| worth_telling(&rejected.reason))
            .map(|rejected| RejectedLine {
                name: name(Some(&rejected.offer)),
                other: match &rejected.reason {
                    Reason::Excluded { by: Winner::MemberPrice } | Reason::BetterOffer { by: Winner::MemberPrice } => {
                        String::new()
                    }
                    reason => name(reason.other_offer()),
                },
                reason: rejected.reason.clone(),
            })
            .collect(),
        hint: priced.hint.as_ref().map(|hint| {
            let name = if hint.kind == HintKind::SpendSave { name(hint.offer.as_ref()) } else { String::new() };
            (hint.kind.as_str().to_owned(), name, hint.short_by)
        }),
    }
}
