//! How a statement over rows is spelled on each database. SQL marks where the
//! rows stand ([`rows_of`], [`each_of`], …); SQLite gets parameters there,
//! PostgreSQL an array for each column.

use crate::Val;
use std::borrow::Cow;

/// Stands in a statement for `rows` rows of `columns` parameters, the first of
/// them numbered `first` and no others after them: as the body of a
/// `WITH v (…) AS (…)`, behind `INSERT INTO t (…)`, or in `(a, b) IN (…)`.
/// At most once in a statement.
///
/// SQLite reads it as `VALUES ($1, $2), ($3, $4), …`. PostgreSQL gets an array a
/// column, so that the statement is the same for any number of rows and is
/// planned once.
pub fn rows_of(first: usize, rows: usize, columns: usize) -> String {
    debug_assert!(rows > 0 && columns > 0 && rows * columns < 30_000, "bounded by the caller");
    format!("\u{1}{first} {columns}\u{1}")
}

/// The same in a statement that takes each row for itself, whatever it does to
/// the others: behind `INSERT INTO t (…)`, in `(a, b) IN (…)`, or as the body of a
/// `WITH v (a, b) AS (…)` whose columns are named `v.a` and `v.b`, with `FROM v`
/// alone or before a `CROSS JOIN`. SQLite then runs it once for each row, with
/// the parameters themselves in place of `v`: it makes no table of the rows.
pub fn each_of(first: usize, rows: usize, columns: usize) -> String {
    debug_assert!(rows > 0 && columns > 0 && rows * columns < 30_000, "bounded by the caller");
    format!("\u{1}{first} {columns} each\u{1}")
}

/// [`one_of`] in a statement that takes each value for itself, see [`each_of`].
pub fn each_one(first: usize, count: usize) -> String {
    debug_assert!(count > 0, "bounded by the caller");
    format!("\u{1}{first} 0 each\u{1}")
}

/// Stands in a statement behind a column that is one of the last `count`
/// parameters, the first of them numbered `first`: `IN ($1, $2)`, or on
/// PostgreSQL an array, see [`rows_of`].
pub fn one_of(first: usize, count: usize) -> String {
    debug_assert!(count > 0, "bounded by the caller");
    format!("\u{1}{first} 0\u{1}")
}

/// Where parameters of rows stand in a statement.
struct Marked<'s> {
    before: &'s str,
    first: usize,
    /// 0 for [`one_of`].
    columns: usize,
    /// Is each row taken for itself?
    each: bool,
    after: &'s str,
}

fn marked(sql: &str) -> Option<Marked<'_>> {
    let mut parts = sql.splitn(3, '\u{1}');
    let (before, mark, after) = (parts.next()?, parts.next()?, parts.next()?);
    let mut words = mark.split(' ');
    let (first, columns) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Marked { before, first, columns, each: words.next().is_some(), after })
}

/// How many parameters stand before those of rows.
pub(crate) fn fixed(sql: &str) -> usize {
    marked(sql).map_or(0, |mark| mark.first - 1)
}

/// How SQLite runs a statement.
pub(crate) enum Spelled<'s> {
    /// Once, with each parameter in its place.
    Once(Cow<'s, str>),
    /// Once for each `columns` of the parameters after the `fixed` ones.
    Each { sql: String, fixed: usize, columns: usize },
}

impl Spelled<'_> {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Once(sql) => sql,
            Self::Each { sql, .. } => sql,
        }
    }
}

/// The statement for SQLite.
pub(crate) fn spelled(sql: &str, count: usize) -> Spelled<'_> {
    let Some(Marked { before, first, columns, each, after }) = marked(sql) else {
        return Spelled::Once(Cow::Borrowed(sql));
    };
    if each {
        return Spelled::Each { sql: alone(before, after, first, columns), fixed: first - 1, columns: columns.max(1) };
    }
    let of_rows = (count + 1).saturating_sub(first);
    let middle = match columns {
        0 => format!("IN ({})", list(first, of_rows)),
        columns => format!("VALUES {}", values(first, of_rows / columns, columns)),
    };
    Spelled::Once(Cow::Owned(format!("{before}{middle}{after}")))
}

/// The statement between whose parts rows stand that are taken for themselves,
/// for one of them: its parameters, the first numbered `first`, take the places
/// of `v`'s columns.
pub(crate) fn alone(before: &str, after: &str, first: usize, columns: usize) -> String {
    if columns == 0 {
        return format!("{before}= ${first}{after}");
    }
    if let Some(before) = before.strip_suffix("IN (") {
        let after = after.strip_prefix(')').unwrap_or(after);
        return format!("{before}= ({}){after}", list(first, columns));
    }
    let Some((before, names)) = before.strip_suffix(") AS (").and_then(|with| with.rsplit_once("WITH v (")) else {
        return format!("{before}VALUES ({}){after}", list(first, columns));
    };
    let after = after.strip_prefix(')').unwrap_or(after);
    let sql = format!("{before}{}", after.trim_start().replace("FROM v CROSS JOIN", "FROM").replace("FROM v", ""));
    let mut names: Vec<(&str, usize)> = names.split(',').map(str::trim).zip(first..).collect();
    // A name may be the beginning of another.
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    names.into_iter().fold(sql, |sql, (name, no)| sql.replace(&format!("v.{name}"), &format!("${no}")))
}

/// The statement for PostgreSQL, with an array for each column of rows.
pub(crate) fn arrayed<'v>(sql: &str, vals: &'v [Val<'_>]) -> Option<(String, Vec<Array<'v>>)> {
    let Marked { before, first, columns, after, .. } = marked(sql)?;
    let rows = vals.get(first - 1..)?;
    let of = columns.max(1);
    let arrays: Vec<Array<'v>> = (0..of).map(|column| Array::of(rows.iter().skip(column).step_by(of))).collect();
    let casts = arrays.iter().zip(first..).map(|(array, no)| format!("CAST(${no} AS {})", array.sql_type()));
    let casts = casts.collect::<Vec<_>>().join(", ");
    let middle = if columns == 0 { format!("= ANY ({casts})") } else { format!("SELECT * FROM unnest({casts})") };
    Some((format!("{before}{middle}{after}"), arrays))
}

/// A column of rows.
pub(crate) enum Array<'v> {
    Text(Vec<Option<&'v str>>),
    Int(Vec<Option<i64>>),
    Bool(Vec<Option<bool>>),
}

impl<'v> Array<'v> {
    fn of<'a: 'v>(vals: impl Iterator<Item = &'v Val<'a>> + Clone) -> Self {
        match vals.clone().next() {
            Some(Val::Int(_)) => Self::Int(vals.map(|val| if let Val::Int(n) = val { *n } else { None }).collect()),
            Some(Val::Bool(_)) => {
                Self::Bool(vals.map(|val| if let Val::Bool(yes) = val { Some(*yes) } else { None }).collect())
            }
            _ => Self::Text(vals.map(Val::text).collect()),
        }
    }

    fn sql_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "TEXT[]",
            Self::Int(_) => "BIGINT[]",
            Self::Bool(_) => "BOOLEAN[]",
        }
    }
}

/// `($1, $2), ($3, $4), …`.
fn values(first: usize, rows: usize, columns: usize) -> String {
    use std::fmt::Write;
    let mut sql = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            write!(sql, "{comma}${}", first + row * columns + column).expect("a String takes all");
        }
        sql.push(')');
    }
    sql
}

/// `$1, $2, …`: `count` parameters for an `IN (…)`, the first numbered `first`.
pub fn list(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}
