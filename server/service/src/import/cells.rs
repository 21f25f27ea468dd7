//! The cells of a row, read as what they mean.

use super::report::{Bad, Reason};
use super::table::Table;
use crate::feed::MAX_AHEAD_MS;
use csv::StringRecord;
use domain::{Fen, Millis};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::collections::HashMap;

pub(super) type Cell<T> = Result<T, Bad>;

/// A row of a table.
pub(super) struct Cells<'a> {
    columns: &'a HashMap<String, usize>,
    record: &'a StringRecord,
    pub line: u64,
}

impl Table {
    pub fn cells(&self) -> impl Iterator<Item = Cells<'_>> {
        self.rows.iter().map(|(line, record)| Cells { columns: &self.columns, record, line: *line })
    }

    pub fn cells_in(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = Cells<'_>> {
        self.rows[range].iter().map(|(line, record)| Cells { columns: &self.columns, record, line: *line })
    }
}

impl<'a> Cells<'a> {
    /// All cells, as they stand in the file.
    pub fn record(&self) -> &'a StringRecord {
        self.record
    }

    /// The cell's text without blanks around it; empty if the file has no such column.
    pub fn raw(&self, column: &str) -> &'a str {
        self.columns.get(column).and_then(|&i| self.record.get(i)).unwrap_or("").trim()
    }

    pub fn bad(&self, column: &'static str, reason: Reason) -> Bad {
        Bad::new(self.line, column, reason)
    }

    /// Text of at most `max` characters; may be empty.
    pub fn text(&self, column: &'static str, max: usize) -> Cell<String> {
        let text = self.raw(column);
        if text.len() > max && text.chars().count() > max {
            return Err(self.bad(column, Reason::TooLong { max }));
        }
        Ok(text.to_owned())
    }

    /// Text that must be there.
    pub fn name(&self, column: &'static str, max: usize) -> Cell<String> {
        let text = self.text(column, max)?;
        if text.is_empty() { Err(self.bad(column, Reason::Missing)) } else { Ok(text) }
    }

    /// A code: letters, digits, `-`, `_`, `.`.
    pub fn code(&self, column: &'static str) -> Cell<String> {
        let text = self.raw(column);
        if text.is_empty() {
            return Err(self.bad(column, Reason::Missing));
        }
        domain::ids::SkuId::parse(text).map_err(|_| self.bad(column, Reason::NotCode))?;
        Ok(text.to_owned())
    }

    /// A code, or nothing.
    pub fn opt_code(&self, column: &'static str) -> Cell<Option<String>> {
        if self.raw(column).is_empty() { Ok(None) } else { self.code(column).map(Some) }
    }

    /// An amount in yuan, or nothing.
    pub fn opt_money(&self, column: &'static str) -> Cell<Option<Fen>> {
        let text = self.raw(column);
        if text.is_empty() {
            return Ok(None);
        }
        Fen::parse_yuan(text).map(Some).map_err(|_| self.bad(column, Reason::NotMoney))
    }

    pub fn money(&self, column: &'static str) -> Cell<Fen> {
        self.opt_money(column)?.ok_or_else(|| self.bad(column, Reason::Missing))
    }

    /// A whole number in a range, or nothing.
    pub fn opt_int(&self, column: &'static str, min: i64, max: i64) -> Cell<Option<i64>> {
        let text = self.raw(column);
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse() {
            Ok(n) if (min..=max).contains(&n) => Ok(Some(n)),
            _ => Err(self.bad(column, Reason::NotNumber { min, max })),
        }
    }

    pub fn int(&self, column: &'static str, min: i64, max: i64) -> Cell<i64> {
        self.opt_int(column, min, max)?.ok_or_else(|| self.bad(column, Reason::Missing))
    }

    /// 1 or 0; nothing is 0.
    pub fn flag(&self, column: &'static str) -> Cell<bool> {
        self.one_of(column, &["0", "1"], "0").map(|word| word == "1")
    }

    /// One of some words; nothing is `default`, unless that is empty.
    pub fn one_of(&self, column: &'static str, allowed: &[&'static str], default: &'static str) -> Cell<&'static str> {
        let text = self.raw(column);
        if text.is_empty() && !default.is_empty() {
            return Ok(default);
        }
        let found = allowed.iter().copied().find(|word| *word == text);
        found.ok_or_else(|| self.bad(column, Reason::NotOneOf { allowed: allowed.join(", ") }))
    }

    /// Words apart by `;`, each one of `allowed`.
    pub fn list(&self, column: &'static str, allowed: &[&'static str]) -> Cell<Vec<String>> {
        let mut words = Vec::new();
        for word in self.raw(column).split(';').map(str::trim).filter(|w| !w.is_empty()) {
            if !allowed.contains(&word) {
                return Err(self.bad(column, Reason::NotOneOf { allowed: allowed.join(", ") }));
            }
            if !words.iter().any(|w| w == word) {
                words.push(word.to_owned());
            }
        }
        Ok(words)
    }

    /// `08:30` as a minute of the day; `24:00` is its end.
    pub fn clock(&self, column: &'static str) -> Cell<i64> {
        let text = self.raw(column);
        let parts: Vec<Option<i64>> = text.split(':').map(|part| part.parse().ok()).collect();
        match parts.as_slice() {
            [Some(h), Some(m)] | [Some(h), Some(m), Some(_)] if (0..24).contains(h) && (0..60).contains(m) => {
                Ok(h * 60 + m)
            }
            [Some(24), Some(0)] => Ok(24 * 60),
            _ => Err(self.bad(column, Reason::NotClock)),
        }
    }

    /// Degrees as millionths.
    pub fn degrees(&self, column: &'static str, max: i64) -> Cell<i64> {
        use rust_decimal::{Decimal, prelude::ToPrimitive};
        let text = self.raw(column);
        if text.is_empty() {
            return Ok(0);
        }
        let e6 = text.parse::<Decimal>().ok().and_then(|d| d.checked_mul(Decimal::from(1_000_000))?.round().to_i64());
        e6.filter(|n| (-max * 1_000_000..=max * 1_000_000).contains(n))
            .ok_or_else(|| self.bad(column, Reason::NotDegrees))
    }

    /// A safety policy, or nothing.
    pub fn policy(&self, column: &'static str) -> Cell<Option<domain::safety::Policy>> {
        let text = self.raw(column);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| self.bad(column, Reason::NotPolicy))
    }

    /// A time, or nothing: see [`parse_time`].
    pub fn opt_time(&self, column: &'static str, zone: &TimeZone, anchor: Millis) -> Cell<Option<Millis>> {
        let text = self.raw(column);
        if text.is_empty() {
            return Ok(None);
        }
        parse_time(text, zone, anchor).map(Some).ok_or_else(|| self.bad(column, Reason::NotTime))
    }

    /// When something was: not ahead of the shop's clock, since a statement holds until there is a newer one.
    pub fn past(&self, column: &'static str, zone: &TimeZone, anchor: Millis, now: Millis) -> Cell<Millis> {
        let at = self.opt_time(column, zone, anchor)?.ok_or_else(|| self.bad(column, Reason::Missing))?;
        if at > now.plus(MAX_AHEAD_MS) { Err(self.bad(column, Reason::Ahead)) } else { Ok(at) }
    }
}

/// ISO 8601 with a zone, local `YYYY-MM-DD[ HH:MM[:SS]]`, or relative to the
/// import: `-3d`, `+30d`, `-2h`, `-8m`.
pub(super) fn parse_time(text: &str, zone: &TimeZone, anchor: Millis) -> Option<Millis> {
    if let Some(ms) = relative(text) {
        return Some(anchor.plus(ms));
    }
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(Millis(instant.as_millisecond()));
    }
    let local = text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0)))?;
    let zoned = local.to_zoned(zone.clone()).ok()?;
    Some(Millis(zoned.timestamp().as_millisecond()))
}

fn relative(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let unit = match rest.as_bytes().last()? {
        b'd' => domain::time::DAY_MS,
        b'h' => domain::time::HOUR_MS,
        b'm' => domain::time::MINUTE_MS,
        b's' => domain::time::SECOND_MS,
        _ => return None,
    };
    let number: i64 = rest[..rest.len() - 1].parse().ok()?;
    (0..=100_000_000).contains(&number).then(|| sign * number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_three_ways() {
        let zone = crate::calendar::zone("Asia/Shanghai");
        let anchor = Millis(1_000_000_000_000);
        let read = |text| parse_time(text, &zone, anchor).map(|t| t.0);
        assert_eq!(read("-3d"), Some(anchor.0 - 3 * 86_400_000));
        assert_eq!(read("+2h"), Some(anchor.0 + 7_200_000));
        assert_eq!(read("1970-01-01T08:00:00+08:00"), Some(0));
        assert_eq!(read("1970-01-01 08:00"), Some(0));
        assert_eq!(read("1970-01-02"), Some(57_600_000));
        assert_eq!(read("1970-01-01T00:00:00Z"), Some(0));
        for bad in ["", "soon", "-3", "d", "-xd", "2026-13-01", "+-3d"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_position_is_on_the_globe() {
        let columns = HashMap::from([("lat".to_owned(), 0)]);
        let read = |text: &str| {
            let record = StringRecord::from(vec![text]);
            Cells { columns: &columns, record: &record, line: 2 }.degrees("lat", 90).ok()
        };
        assert_eq!(read("31.2325"), Some(31_232_500));
        assert_eq!((read("-90"), read("")), (Some(-90_000_000), Some(0)));
        // The last one is the least number there is, in millionths.
        for bad in ["90.1", "-90.1", "x", "-9223372036854.775808"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
