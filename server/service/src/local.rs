//! Times of a store's zone as sentences have them.

use crate::calendar::local;
use domain::Millis;
use domain::view::Lang;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The instant at `minutes` from midnight of a day. In a gap of the clocks, the
/// instant after it.
pub(crate) fn instant(date: Date, minutes: i64, zone: &TimeZone) -> Millis {
    let midnight = date.to_datetime(jiff::civil::Time::midnight());
    let at = midnight.checked_add(minutes.minutes()).unwrap_or(midnight);
    let at = zone.to_ambiguous_zoned(at).compatible();
    Millis(at.map_or(0, |at| at.timestamp().as_millisecond()))
}

/// `11月22日 18:05`, `22 Nov 18:05`.
pub(crate) fn day_and_time(at: Millis, zone: &TimeZone, lang: Lang) -> String {
    let at = local(zone, at);
    format!("{} {}", month_and_day(at.date(), lang), at.strftime("%H:%M"))
}

/// `11月22日`, `22 Nov`.
pub(crate) fn month_and_day(date: Date, lang: Lang) -> String {
    match lang {
        Lang::Zh => format!("{}月{}日", date.month(), date.day()),
        Lang::En => date.strftime("%-d %b").to_string(),
    }
}

/// `18:00–20:00`.
pub(crate) fn hours(starts: Millis, ends: Millis, zone: &TimeZone) -> String {
    format!("{}–{}", local(zone, starts).strftime("%H:%M"), local(zone, ends).strftime("%H:%M"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::zone;
    use domain::time::HOUR_MS;

    #[test]
    fn the_same_instant_in_both_languages() {
        let shanghai = zone("Asia/Shanghai");
        let at = instant(jiff::civil::date(2026, 11, 22), 18 * 60 + 5, &shanghai);
        assert_eq!(at, Millis(1_795_341_900_000));
        assert_eq!(day_and_time(at, &shanghai, Lang::Zh), "11月22日 18:05");
        assert_eq!(day_and_time(at, &shanghai, Lang::En), "22 Nov 18:05");
        assert_eq!(hours(at, at.plus(2 * HOUR_MS), &shanghai), "18:05–20:05");
    }

    #[test]
    fn clocks_that_jump_give_the_instant_after_the_gap() {
        // In Berlin, 2026-03-29 02:30 does not exist: the clocks go from 02:00 to 03:00.
        let berlin = zone("Europe/Berlin");
        let at = instant(jiff::civil::date(2026, 3, 29), 150, &berlin);
        assert_eq!(day_and_time(at, &berlin, Lang::En), "29 Mar 03:30");
    }
}
