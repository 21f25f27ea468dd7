//! What the two databases say differently: full-text search.
//!
//! SQLite has an FTS5 table whose row numbers are the SKUs' `num`; PostgreSQL a
//! table with `tsvector` columns made from the same tokens, without a parser.

use crate::conn::{Kind, list, values};
use crate::tokens::{Term, Tokens};
use crate::{Conn, Result, Val};
use sqlx::AssertSqlSafe;

/// Rows that one statement takes at most.
const ROWS: usize = 1_000;

/// The two parameters of [`hits`]: all terms anywhere, and all terms in names.
pub fn match_params(kind: Kind, terms: &[Term]) -> (String, String) {
    match kind {
        Kind::Sqlite => {
            let words: Vec<String> =
                terms.iter().map(|t| format!("\"{}\"{}", t.word, if t.prefix { "*" } else { "" })).collect();
            let all = words.join(" AND ");
            let names = format!("{{names}} : ({all})");
            (all, names)
        }
        Kind::Postgres => {
            let words: Vec<String> =
                terms.iter().map(|t| format!("'{}'{}", t.word, if t.prefix { ":*" } else { "" })).collect();
            (words.join(" & "), words.join(" & "))
        }
    }
}

/// Where a search looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// In names and brands.
    Names,
    /// Anywhere.
    All,
}

/// `SELECT num …` of the SKUs that match in a part; `$param` is that part's
/// parameter of [`match_params`].
pub fn matches(kind: Kind, part: Part, param: usize) -> String {
    match (kind, part) {
        (Kind::Sqlite, _) => format!("SELECT rowid AS num FROM sku_search WHERE sku_search MATCH ${param}"),
        (Kind::Postgres, Part::Names) => {
            format!("SELECT num FROM sku_search WHERE names_vector @@ CAST(${param} AS tsquery)")
        }
        (Kind::Postgres, Part::All) => {
            format!("SELECT num FROM sku_search WHERE words_vector @@ CAST(${param} AS tsquery)")
        }
    }
}

/// The column of `sku_search` that holds the SKUs' numbers.
pub fn search_key(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "rowid",
        Kind::Postgres => "num",
    }
}

/// `hit (num, in_names)`: the body of a CTE with the numbers of the SKUs that
/// match; `in_names` is 0 for those whose names alone hold all terms, else 1.
/// Parameters: `$all`, `$names` as [`match_params`] made them.
pub fn hits(kind: Kind, all: usize, names: usize) -> String {
    match kind {
        Kind::Sqlite => format!(
            "SELECT num, MIN(c) AS in_names FROM (
             SELECT rowid AS num, 1 AS c FROM sku_search WHERE sku_search MATCH ${all}
             UNION ALL SELECT rowid AS num, 0 AS c FROM sku_search WHERE sku_search MATCH ${names}) GROUP BY num"
        ),
        Kind::Postgres => format!(
            "SELECT num, CAST(CASE WHEN names_vector @@ CAST(${names} AS tsquery) THEN 0 ELSE 1 END AS BIGINT) AS in_names
             FROM sku_search WHERE words_vector @@ CAST(${all} AS tsquery)"
        ),
    }
}

/// Puts SKUs into the search index, or in place of what stood there.
pub async fn index_skus(conn: &mut Conn, rows: &[(i64, Tokens)]) -> Result<()> {
    for part in rows.chunks(ROWS) {
        let mut vals = Vec::with_capacity(part.len() * 3);
        for (num, tokens) in part {
            vals.extend([Val::from(*num), Val::from(&tokens.names), Val::from(&tokens.words)]);
        }
        let rows = values(1, part.len(), 3);
        let sql = match conn.kind() {
            Kind::Sqlite => {
                let delete = format!("DELETE FROM sku_search WHERE rowid IN ({})", list(1, part.len()));
                let nums: Vec<Val<'_>> = part.iter().map(|(num, _)| Val::from(*num)).collect();
                conn.exec(AssertSqlSafe(delete), &nums).await?;
                format!("INSERT INTO sku_search (rowid, names, words) VALUES {rows}")
            }
            Kind::Postgres => format!(
                "INSERT INTO sku_search (num, names, words) VALUES {rows}
                 ON CONFLICT (num) DO UPDATE SET names = excluded.names, words = excluded.words"
            ),
        };
        conn.exec(AssertSqlSafe(sql), &vals).await?;
    }
    Ok(())
}
