//! Times as people in a store's zone read them.

use domain::Millis;
use domain::time::Day;
use domain::view::Lang;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The zone of this name; UTC if there is none such.
pub(crate) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// An instant on the clocks of the zone.
pub(crate) fn civil(at: Millis, zone: &TimeZone) -> DateTime {
    zone.to_datetime(Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Days since 1970 of a calendar day.
pub(crate) fn day_number(date: Date) -> Day {
    let days = date.since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days());
    Day(days)
}

/// The calendar day of an instant, `days` later.
pub(crate) fn date_after(at: Millis, zone: &TimeZone, days: i32) -> Date {
    let today = civil(at, zone).date();
    today.checked_add(days.days()).unwrap_or(today)
}

/// The instant at `minutes` from midnight of a day. In a gap of the clocks, the
/// instant after it.
pub(crate) fn instant(date: Date, minutes: i64, zone: &TimeZone) -> Millis {
    let midnight = date.to_datetime(jiff::civil::Time::midnight());
    let local = midnight.checked_add(minutes.minutes()).unwrap_or(midnight);
    let at = zone.to_ambiguous_zoned(local).compatible();
    Millis(at.map_or(0, |at| at.timestamp().as_millisecond()))
}

/// `11月22日 18:05`, `22 Nov 18:05`.
pub(crate) fn day_and_time(at: Millis, zone: &TimeZone, lang: Lang) -> String {
    let local = civil(at, zone);
    format!("{} {}", month_and_day(local.date(), lang), local.strftime("%H:%M"))
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
    format!("{}–{}", civil(starts, zone).strftime("%H:%M"), civil(ends, zone).strftime("%H:%M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_instant_in_both_languages() {
        let zone = zone("Asia/Shanghai");
        let at = Millis(1_795_341_900_000);
        let local = civil(at, &zone);
        assert_eq!(day_and_time(at, &zone, Lang::Zh), format!("{}月{}日 {}", local.month(), local.day(), local.strftime("%H:%M")));
        assert_eq!(instant(local.date(), i64::from(local.hour()) * 60 + i64::from(local.minute()), &zone), at);
        assert_eq!(day_number(Date::constant(1970, 1, 2)), Day(1));
        assert_eq!(day_number(Date::constant(2026, 11, 22)), Day(20_779));
    }
}
