//! What the two databases say differently: full-text search.
//!
//! SQLite has FTS5 tables whose row numbers are the SKUs' `num` and, for the
//! best sellers, their place; PostgreSQL has tables with `tsvector` columns made
//! from the same tokens, without a parser.

use crate::bulk::Bulk;
use crate::conn::{Kind, list};
use crate::tokens::{Term, Tokens};
use crate::{Conn, Result, Val};
use sqlx::AssertSqlSafe;

/// Numbers in one statement at most.
const KNOWN_MAX: usize = 1_000;

/// The two parameters of searches: all terms anywhere, each by its word or by a
/// category that it names; and all terms in names.
pub fn match_params(kind: Kind, terms: &[Term]) -> (String, String) {
    let (quote, any_end, or, and) = match kind {
        Kind::Sqlite => ('"', "*", " OR ", " AND "),
        Kind::Postgres => ('\'', ":*", " | ", " & "),
    };
    let word = |t: &Term| format!("{quote}{}{quote}{}", t.word, if t.prefix { any_end } else { "" });
    let anywhere = |t: &Term| {
        let categories = t.categories.iter().map(|token| format!("{quote}{token}{quote}"));
        let either: Vec<String> = std::iter::once(word(t)).chain(categories).collect();
        format!("({})", either.join(or))
    };
    let all = terms.iter().map(anywhere).collect::<Vec<_>>().join(and);
    let names = terms.iter().map(word).collect::<Vec<_>>().join(and);
    match kind {
        Kind::Sqlite => (all, format!("{{names}} : ({names})")),
        Kind::Postgres => (all, names),
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

impl Part {
    /// PostgreSQL's condition. Only `words_vector`, which holds the names too, has an
    /// index: of what is said of goods the names are nearly all, so few rows are looked
    /// at in vain.
    fn holds(self, param: usize) -> String {
        let holds = |vector: &str| format!("{vector} @@ CAST(${param} AS tsquery)");
        match self {
            Self::Names => format!("{} AND {}", holds("words_vector"), holds("names_vector")),
            Self::All => holds("words_vector"),
        }
    }
}

/// `SELECT num …` of SKUs that match in a part; `$param` is that part's
/// parameter of [`match_params`]. Together all of them; who has enough by the
/// first needs no other.
///
/// PostgreSQL reads all that its index knows of a word before it gives the first
/// row, so the index is two: of every 17th SKU, which has enough of what is met
/// everywhere, and of the rest. (A prime number: what SKUs are numbered by may
/// come round.)
pub fn matches(kind: Kind, part: Part, param: usize) -> Vec<String> {
    match kind {
        Kind::Sqlite => vec![format!("SELECT rowid AS num FROM sku_search WHERE sku_search MATCH ${param}")],
        Kind::Postgres => ["num % 17 = 0", "num % 17 <> 0"]
            .map(|slice| format!("SELECT num FROM sku_search WHERE {slice} AND {}", part.holds(param)))
            .to_vec(),
    }
}

/// The same among the best sellers, in their order.
pub fn top_matches(kind: Kind, part: Part, param: usize) -> String {
    match kind {
        Kind::Sqlite => {
            format!("SELECT num FROM sku_search_top WHERE sku_search_top MATCH ${param} ORDER BY rowid")
        }
        Kind::Postgres => {
            format!("SELECT num FROM sku_search_top WHERE {} ORDER BY place", part.holds(param))
        }
    }
}

/// Puts SKUs into the search index. Those whose numbers are `known` may be there
/// already and are put in place of what stood there.
pub async fn index_skus(conn: &mut Conn, rows: &[(i64, Tokens)], known: &[i64]) -> Result<()> {
    const SQLITE: Bulk<'static> = Bulk { sql: "INSERT INTO sku_search (rowid, names, words) {rows}", columns: 3 };
    const POSTGRES: Bulk<'static> = Bulk {
        sql: "INSERT INTO sku_search (num, names_vector, words_vector)
            SELECT num, array_to_tsvector(string_to_array(names, ' ')),
            array_to_tsvector(string_to_array(names || ' ' || words, ' ')) FROM ({rows}) AS v (num, names, words)
            ON CONFLICT (num) DO UPDATE SET names_vector = excluded.names_vector, words_vector = excluded.words_vector",
        columns: 3,
    };
    let kind = conn.kind();
    if !known.is_empty() {
        let nums: Vec<Val<'_>> = known.iter().map(|num| Val::from(*num)).collect();
        for part in nums.chunks(KNOWN_MAX) {
            let part_list = list(1, part.len());
            if kind == Kind::Sqlite {
                let sql = format!("DELETE FROM sku_search WHERE rowid IN ({part_list})");
                conn.exec(AssertSqlSafe(sql), part).await?;
            }
            // They come back when the best sellers are next looked at.
            let sql = format!("DELETE FROM sku_search_top WHERE num IN ({part_list})");
            conn.exec(AssertSqlSafe(sql), part).await?;
        }
    }
    let mut vals = Vec::with_capacity(rows.len() * 3);
    for (num, tokens) in rows {
        vals.extend([Val::from(*num), Val::from(&tokens.names), Val::from(&tokens.words)]);
    }
    conn.bulk(if kind == Kind::Sqlite { SQLITE } else { POSTGRES }, &[], &vals).await.map(|_| ())
}

/// The best sellers as the search index has them: (place, number of the SKU), by place.
pub async fn top(conn: &mut Conn) -> Result<Vec<(i64, i64)>> {
    let sql = match conn.kind() {
        Kind::Sqlite => "SELECT rowid, num FROM sku_search_top ORDER BY rowid LIMIT 100000",
        Kind::Postgres => "SELECT place, num FROM sku_search_top ORDER BY place LIMIT 100000",
    };
    conn.all(sql, &[]).await
}

/// Puts SKUs in the places of best sellers, (place, number of the SKU), and
/// leaves no other in places from `first` to `last`.
pub async fn put_top(conn: &mut Conn, (first, last): (i64, i64), rows: &[(i64, i64)]) -> Result<()> {
    let (delete, insert) = match conn.kind() {
        Kind::Sqlite => (
            "DELETE FROM sku_search_top WHERE rowid BETWEEN $1 AND $2",
            "WITH v (place, num) AS ({rows}) INSERT INTO sku_search_top (rowid, num, names, words)
             SELECT v.place, v.num, x.names, x.words FROM v CROSS JOIN sku_search x WHERE x.rowid = v.num",
        ),
        Kind::Postgres => (
            "DELETE FROM sku_search_top WHERE place BETWEEN $1 AND $2",
            "WITH v (place, num) AS ({rows}) INSERT INTO sku_search_top (place, num, names_vector, words_vector)
             SELECT v.place, v.num, x.names_vector, x.words_vector FROM v JOIN sku_search x ON x.num = v.num",
        ),
    };
    conn.exec(delete, crate::vals![first, last]).await?;
    let vals: Vec<Val<'_>> = rows.iter().flat_map(|(place, num)| [Val::from(*place), Val::from(*num)]).collect();
    conn.bulk(Bulk { sql: insert, columns: 2 }, &[], &vals).await.map(|_| ())
}

/// After the first rows of many were written: PostgreSQL counts levels and
/// movements, so that it looks the next ones up by their keys. Of a table that was
/// empty it knows nothing, and reads all of it each time.
pub async fn count_levels(conn: &mut Conn) -> Result<()> {
    if conn.kind() == Kind::Postgres {
        for sql in ["ANALYZE stock", "ANALYZE movement"] {
            conn.exec(sql, &[]).await?;
        }
    }
    Ok(())
}

/// After many rows were written: PostgreSQL puts what waits beside its search
/// index into it, and counts anew, so that it plans for what is there. It
/// needs no unit of work, and nobody waits for it.
pub async fn settle(conn: &mut Conn) -> Result<()> {
    const TIDY: [&str; 7] = [
        "SELECT gin_clean_pending_list(CAST('sku_search_some' AS regclass))",
        "SELECT gin_clean_pending_list(CAST('sku_search_rest' AS regclass))",
        "ANALYZE sku_search",
        "ANALYZE sku_search_top",
        "ANALYZE sku",
        "ANALYZE stock",
        "ANALYZE movement",
    ];
    if conn.kind() == Kind::Postgres {
        for sql in TIDY {
            conn.exec(sql, &[]).await?;
        }
    }
    Ok(())
}
