//! How far it is to the next threshold.

use super::input::Input;
use super::offer::OfferKind;
use super::output::{Hint, HintKind, Reason};
use super::work::Work;
use crate::Fen;

/// The nearest threshold that more goods would reach: a spend-and-save that is
/// only short of its amount, or free delivery. Among equally near ones the one
/// that saves more. An empty basket gets none.
pub(super) fn next_threshold(input: &Input, work: &Work, goods_total: Fen, delivery_fee: Fen) -> Option<Hint> {
    if !goods_total.is_positive() {
        return None;
    }
    let offers = input.offers.iter().filter(|o| o.kind() == OfferKind::SpendSave).filter_map(|offer| {
        let (_, off) = offer.threshold_and_off()?;
        match work.rejection(offer)? {
            Reason::ShortBy { short_by } => {
                Some(Hint { kind: HintKind::SpendSave, offer: Some(offer.id.clone()), short_by: *short_by, saves: off })
            }
            _ => None,
        }
    });
    let delivery = input.delivery.as_ref().and_then(|terms| {
        let short_by = terms.free_above? - goods_total;
        let within_reach = short_by.is_positive() && delivery_fee.is_positive();
        within_reach.then_some(Hint { kind: HintKind::FreeDelivery, offer: None, short_by, saves: delivery_fee })
    });
    offers.chain(delivery).min_by_key(|hint| (hint.short_by, std::cmp::Reverse(hint.saves)))
}
