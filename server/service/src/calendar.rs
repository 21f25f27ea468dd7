//! Calendars of the stores' zones: local days, ends of days, clock times.

use domain::Millis;
use domain::time::Day;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A store's zone by its IANA name; UTC for an unknown one (imports refuse those).
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

/// An instant as shown on a clock of the zone.
pub fn local(zone: &TimeZone, time: Millis) -> Zoned {
    let instant = Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::UNIX_EPOCH);
    instant.to_zoned(zone.clone())
}

/// The first day of day numbers.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// The local calendar day of an instant.
pub fn day_of(zone: &TimeZone, time: Millis) -> Day {
    let days = local(zone, time).date().since(EPOCH).map_or(0, |span| span.get_days());
    Day(days)
}

/// The calendar date of a day number.
pub fn date_of(day: Day) -> Date {
    EPOCH.checked_add(jiff::Span::new().days(day.0)).unwrap_or(EPOCH)
}

/// The first instant of a local day.
pub fn start_of(zone: &TimeZone, day: Day) -> Millis {
    date_of(day).to_zoned(zone.clone()).map_or(Millis(0), |at| Millis(at.timestamp().as_millisecond()))
}

/// The minute of the local day of an instant.
pub fn minute_of(zone: &TimeZone, time: Millis) -> i64 {
    let at = local(zone, time);
    i64::from(at.hour()) * 60 + i64::from(at.minute())
}

/// `08:05` for a minute of the day.
pub fn clock(minute: i64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_store() {
        let shanghai = zone("Asia/Shanghai");
        // 1970-01-02 00:30 in Shanghai is 16:30 the day before in UTC.
        let at = Millis(16 * 3_600_000 + 30 * 60_000);
        assert_eq!(day_of(&shanghai, at), Day(1));
        assert_eq!(day_of(&TimeZone::UTC, at), Day(0));
        assert_eq!(start_of(&shanghai, Day(1)), Millis(16 * 3_600_000));
        assert_eq!(minute_of(&shanghai, at), 30);
        assert_eq!(clock(485), "08:05");
        assert_eq!(date_of(Day(20_000)).to_string(), "2024-10-04");
    }
}
