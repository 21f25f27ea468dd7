//! Money, quantities and times as people read them; the same on both sides.

use domain::Fen;

/// The parts that a price is set from: sign, yuan and fen, `("", "12", "80")`.
pub fn price_parts(amount: Fen) -> (&'static str, String, String) {
    let sign = if amount.0 < 0 { "−" } else { "" };
    let abs = amount.0.unsigned_abs();
    (sign, (abs / 100).to_string(), format!("{:02}", abs % 100))
}

/// `¥12.80`; whole yuan stay short in labels: see [`yuan_short`].
pub fn yuan(amount: Fen) -> String {
    let (sign, yuan, fen) = price_parts(amount);
    format!("{sign}¥{yuan}.{fen}")
}

/// `¥88` or `¥88.50`: for labels and hints.
pub fn yuan_short(amount: Fen) -> String {
    if amount.0 % 100 == 0 {
        format!("{}¥{}", if amount.0 < 0 { "−" } else { "" }, amount.0.unsigned_abs() / 100)
    } else {
        yuan(amount)
    }
}

/// `800 m`, `1.2 km`.
pub fn distance(metres: i64) -> String {
    let metres = metres.max(0);
    if metres < 1000 { format!("{metres} m") } else { format!("{}.{} km", metres / 1000, metres % 1000 / 100) }
}

/// What is left of a time, `04:59` or `1:04:59`; nothing below zero.
pub fn clock(left_ms: i64) -> String {
    // A countdown shows 00:00 only when the time is over.
    let s = (left_ms.max(0) + 999) / 1000;
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m:02}:{s:02}") }
}

/// A count in a badge: `99+` from 100 on.
pub fn badge(count: i64) -> String {
    if count > 99 { "99+".to_owned() } else { count.max(0).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_set_in_parts() {
        assert_eq!(price_parts(Fen(1280)), ("", "12".to_owned(), "80".to_owned()));
        assert_eq!(yuan(Fen(-5)), "−¥0.05");
        assert_eq!(yuan_short(Fen(8800)), "¥88");
        assert_eq!(yuan_short(Fen(8850)), "¥88.50");
    }

    #[test]
    fn a_countdown_ends_at_zero_only() {
        assert_eq!(clock(1), "00:01");
        assert_eq!(clock(0), "00:00");
        assert_eq!(clock(-9), "00:00");
        assert_eq!(clock(299_000), "04:59");
        assert_eq!(clock(3_899_000), "1:04:59");
    }

    #[test]
    fn distances_and_badges_stay_short() {
        assert_eq!(distance(999), "999 m");
        assert_eq!(distance(1250), "1.2 km");
        assert_eq!(badge(100), "99+");
        assert_eq!(badge(-1), "0");
    }
}
