//! Sentences for the codes that baskets, orders and refunds carry. A code that
//! the texts do not know is shown as it is, so that a gap is seen.

use domain::Fen;
use domain::order::State;
use domain::pricing::{Reason, Winner};
use domain::substitution;
use domain::view::{Lang, MessageView, StepLine, TimelineEntry};
use ui::format::{yuan, yuan_short};
use ui::tr;

/// A step's name, without its offer's.
pub fn step(lang: Lang, code: &str) -> String {
    match code {
        "member_price" => tr!(lang, basket.step_member_price),
        "timed_discount" => tr!(lang, basket.step_timed_discount),
        "spend_and_save" => tr!(lang, basket.step_spend_and_save),
        "coupon" => tr!(lang, basket.step_coupon),
        "delivery_fee" => tr!(lang, basket.step_delivery),
        other => other,
    }
    .to_owned()
}

/// A step as a row of the sums names it: `满减 · 满88减10`.
pub fn step_line(lang: Lang, line: &StepLine) -> String {
    let name = step(lang, &line.step);
    if line.name.is_empty() || line.name == name { name } else { format!("{name} · {}", line.name) }
}

/// Why an offer did not apply; `other` is the name of the one that did instead.
pub fn reason(lang: Lang, reason: &Reason, other: &str) -> String {
    let by = |winner: &Winner| match winner {
        Winner::MemberPrice => tr!(lang, basket.step_member_price).to_owned(),
        Winner::Offer(_) | Winner::Campaign(_) => other.to_owned(),
    };
    match reason {
        Reason::ShortBy { short_by } => tr!(lang, basket.why_below, amount = yuan(*short_by)),
        Reason::NotStarted => tr!(lang, basket.why_not_started).into(),
        Reason::Ended => tr!(lang, basket.why_ended).into(),
        Reason::NotMember => tr!(lang, basket.why_member_only).into(),
        Reason::OtherStore => tr!(lang, basket.why_other_store).into(),
        Reason::OutOfScope => tr!(lang, basket.why_no_goods).into(),
        Reason::LimitReached => tr!(lang, basket.why_limit).into(),
        Reason::Excluded { by: winner } => tr!(lang, basket.why_excluded, name = by(winner)),
        Reason::BetterOffer { by: winner } => tr!(lang, basket.why_better, name = by(winner)),
        Reason::BudgetSpent => tr!(lang, basket.why_budget).into(),
        Reason::NoGain => tr!(lang, basket.why_no_gain).into(),
    }
}

/// An order's state.
pub fn state(lang: Lang, state: State) -> &'static str {
    match state {
        State::PendingPayment => tr!(lang, orders.pending_payment),
        State::Paid => tr!(lang, orders.paid),
        State::Accepted => tr!(lang, orders.accepted),
        State::Picking => tr!(lang, orders.picking),
        State::Picked => tr!(lang, orders.picked),
        State::Delivering => tr!(lang, orders.delivering),
        State::ReadyForPickup => tr!(lang, orders.ready_for_pickup),
        State::Completed => tr!(lang, orders.completed),
        State::Cancelled => tr!(lang, orders.cancelled),
        State::Expired => tr!(lang, orders.expired),
        State::Refunded => tr!(lang, orders.refunded),
    }
}

/// What an order's state means for the member.
pub fn state_hint(lang: Lang, state: State) -> &'static str {
    match state {
        State::PendingPayment => tr!(lang, orders.pending_payment_text),
        State::Paid => tr!(lang, orders.paid_text),
        State::Accepted => tr!(lang, orders.accepted_text),
        State::Picking => tr!(lang, orders.picking_text),
        State::Picked => tr!(lang, orders.picked_text),
        State::Delivering => tr!(lang, orders.delivering_text),
        State::ReadyForPickup => tr!(lang, orders.ready_text),
        State::Completed => tr!(lang, orders.completed_text),
        State::Cancelled => tr!(lang, orders.cancelled_text),
        State::Expired => tr!(lang, orders.expired_text),
        State::Refunded => tr!(lang, orders.refunded_text),
    }
}

/// The tone of a state's tag: `good`, `warn`, `bad` or none.
pub const fn state_tone(state: State) -> &'static str {
    match state {
        State::PendingPayment | State::ReadyForPickup => "warn",
        State::Cancelled | State::Expired | State::Refunded | State::Completed => "",
        _ => "good",
    }
}

/// An entry of an order's timeline.
pub fn event(lang: Lang, entry: &TimelineEntry) -> String {
    let value = |name: &str| entry.detail.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let amount = value("amount").and_then(|fen| fen.parse().ok()).map(|fen| yuan(Fen(fen)));
    match entry.kind.as_str() {
        "placed" => tr!(lang, orders.ev_placed).into(),
        "paid" => tr!(lang, orders.ev_paid).into(),
        "paid_late" => tr!(lang, orders.ev_paid_late).into(),
        "hold_expired" | "expired" => tr!(lang, orders.ev_hold_expired).into(),
        "cancelled" => tr!(lang, orders.ev_cancelled).into(),
        "accepted" => tr!(lang, orders.ev_accepted).into(),
        "picking" => tr!(lang, orders.ev_picking).into(),
        "picked" => tr!(lang, orders.ev_picked).into(),
        "delivering" => tr!(lang, orders.ev_delivering).into(),
        "ready_for_pickup" => tr!(lang, orders.ev_ready).into(),
        "completed" => tr!(lang, orders.ev_completed).into(),
        "short" => match (value("name"), value("n")) {
            (Some(name), Some(n)) => tr!(lang, orders.ev_short, name = name, n = n),
            _ => tr!(lang, orders.ev_short_plain).into(),
        },
        "refund_requested" => match amount {
            Some(amount) => tr!(lang, orders.ev_refund_requested, amount = amount),
            None => tr!(lang, orders.ev_refund_plain).into(),
        },
        "refunded" | "refund_done" => match amount {
            Some(amount) => tr!(lang, orders.ev_refunded, amount = amount),
            None => tr!(lang, orders.ev_refunded_plain).into(),
        },
        "late_payment" => tr!(lang, orders.ev_late_payment).into(),
        "double_payment" => tr!(lang, orders.ev_double_payment).into(),
        "payment_declined" | "payment_failed" => tr!(lang, orders.ev_payment_declined).into(),
        "payment_started" => tr!(lang, orders.ev_payment_started).into(),
        "misprice" | "amount_mismatch" => tr!(lang, orders.ev_misprice).into(),
        "choice" | "choice_changed" => tr!(lang, orders.ev_choice).into(),
        other => other.to_owned(),
    }
}

/// Who made an entry of the timeline happen.
pub fn actor(lang: Lang, code: &str) -> String {
    match code {
        "member" => tr!(lang, orders.by_member),
        "staff" => tr!(lang, orders.by_staff),
        "system" => tr!(lang, orders.by_system),
        "channel" => tr!(lang, orders.by_channel),
        other => other,
    }
    .to_owned()
}

/// Why money goes back.
pub fn refund_reason(lang: Lang, code: &str) -> String {
    match code {
        "shortage" => tr!(lang, orders.reason_shortage),
        "cancelled" => tr!(lang, orders.reason_cancelled),
        "late_payment" => tr!(lang, orders.reason_late_payment),
        "double_payment" => tr!(lang, orders.reason_double_payment),
        other => other,
    }
    .to_owned()
}

/// What a message is about, in two or three words.
pub fn message_title(lang: Lang, kind: &str) -> String {
    match kind {
        "late_payment" | "double_payment" => refund_reason(lang, kind),
        other => other.to_owned(),
    }
}

/// A message's sentence.
pub fn message(lang: Lang, message: &MessageView) -> String {
    let amount = yuan(message.amount.unwrap_or_default());
    match message.kind.as_str() {
        "late_payment" => tr!(lang, member.msg_late_payment, amount = amount),
        "double_payment" => tr!(lang, member.msg_double_payment, amount = amount),
        _ => String::new(),
    }
}

/// How a refund stands.
pub fn refund_state(lang: Lang, code: &str) -> String {
    match code {
        "requested" => tr!(lang, orders.refund_requested),
        "done" => tr!(lang, orders.refund_done),
        "failed" => tr!(lang, orders.refund_failed),
        other => other,
    }
    .to_owned()
}

/// `满 ¥39 减 ¥6`.
pub fn coupon_rule(lang: Lang, threshold: Fen, off: Fen) -> String {
    tr!(lang, checkout.coupon_rule, threshold = yuan_short(threshold), off = yuan_short(off))
}

/// Why a substitute ranks where it does.
pub fn substitute_reason(lang: Lang, reason: substitution::Reason) -> &'static str {
    use substitution::Reason;
    match reason {
        Reason::SameCategory => tr!(lang, basket.sub_same_category),
        Reason::OftenAccepted => tr!(lang, basket.sub_often_accepted),
        Reason::SameBrand => tr!(lang, basket.sub_same_brand),
        Reason::SameSize => tr!(lang, basket.sub_same_size),
        Reason::SameFlavour => tr!(lang, basket.sub_same_flavour),
        Reason::SameDiet => tr!(lang, basket.sub_same_diet),
        Reason::CloseUnitPrice => tr!(lang, basket.sub_close_unit_price),
        Reason::LowerUnitPrice => tr!(lang, basket.sub_lower_unit_price),
        Reason::BoughtBefore => tr!(lang, basket.sub_bought_before),
        Reason::PlentyHere => tr!(lang, basket.sub_plenty_here),
    }
}
