//! Searching: which goods a search looks at and ranks, and suggestions while typing.
//!
//! A search looks among the best sellers first, which have a small index of their own
//! in the order of their sales, and then takes so many others as fill a list. Whole
//! names are looked for by their sound besides: the words of a name may each be met
//! everywhere, its sound from one of them on is rare.

use crate::conn::Kind;
use crate::dialect::{self, Part};
use crate::lists::{Filter, IN_STORE, SAME_POOL, is_by_sales, is_narrow};
use crate::tokens::{Phrase, Term};
use crate::{Conn, Result, Val};
use domain::ids::StoreId;
use domain::view::Sort;
use sqlx::AssertSqlSafe;
use std::collections::HashSet;

/// Hits of a search that are ranked, among the best sellers and among all goods.
const HITS: usize = 300;
/// Of all goods, where a filter will leave some out, or others than the best sellers
/// come first.
const HITS_OTHERWISE: usize = 2_000;
/// Goods that a list is content with, where there are [`HITS`] names among the best sellers.
const ENOUGH: usize = 100;
/// Where a suggestion looks, until there is enough: among the best sellers, then
/// in all names, and anywhere only if nothing was found.
const SUGGESTED: [Limits; 3] = [
    Limits { best_named: 60, best_worded: 60, ..Limits::NOWHERE },
    Limits { best_named: 60, best_worded: 60, named: 100, ..Limits::NOWHERE },
    Limits { worded: 100, ..Limits::NOWHERE },
];
/// Names that are looked at because they sound as a phrase does.
const SAID: usize = 100;
/// Where a suggestion looks for names that begin as a phrase sounds, if the best
/// sellers are not enough.
const SUGGESTED_PHRASE: Limits = Limits { named: 100, ..Limits::NOWHERE };

/// How many hits of a search are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Best sellers, by their names.
    best_named: usize,
    /// Best sellers, by whatever is said of them.
    best_worded: usize,
    /// Any goods, by their names.
    named: usize,
    /// Any goods, by whatever is said of them.
    worded: usize,
    /// Where so many are found by their names, nobody is looked for by what else is said.
    names_do: bool,
}

impl Limits {
    const NOWHERE: Self = Self { best_named: 0, best_worded: 0, named: 0, worded: 0, names_do: false };

    /// Of a list's search.
    pub(crate) fn of(filter: &Filter) -> Self {
        let few_pass = is_narrow(filter) || !is_by_sales(filter);
        let others = if few_pass { HITS_OTHERWISE } else { HITS };
        let names_do = !few_pass && filter.sort == Sort::Relevance;
        let all = Self { best_named: HITS, best_worded: HITS, named: others, worded: others, names_do };
        all.for_terms(&filter.terms)
    }

    /// Of a list's search that the names of best sellers may fill: those come first
    /// anyhow, in this order. Several words are seldom met together so often, and a
    /// phrase decides there, which others may hold.
    pub(crate) fn of_best_names(filter: &Filter) -> Option<Self> {
        let may = Self::of(filter).names_do && filter.terms.len() == 1;
        may.then_some(Self { best_named: HITS, ..Self::NOWHERE })
    }

    /// Has it filled a list, by its hits and the goods that passed its filter?
    pub(crate) fn is_full(self, hits: usize, goods: usize) -> bool {
        hits >= self.whole() && goods >= ENOUGH
    }

    /// What one letter begins is met everywhere, and surely among the best sellers.
    fn for_terms(self, terms: &[Term]) -> Self {
        let is_letter = |term: &Term| term.prefix && term.word.chars().nth(1).is_none();
        if terms.iter().any(is_letter) { Self { named: 0, worded: 0, ..self } } else { self }
    }

    /// Fewer hits than this are all that there are.
    pub(crate) fn whole(self) -> usize {
        if self.worded > 0 { self.worded } else { self.best_named }
    }
}

/// `hit (num, in_names)`: the body of a CTE with the numbers of SKUs that a search
/// ranks: so many of the best sellers that match, in their order, and so many
/// others. `in_names` is 0 for those whose names hold all terms, 1 for those of which
/// they are said otherwise, 2 for names that only sound so. `$3` and `$4` are its
/// [`dialect::match_params`], `said` the parameter of a phrase's sound.
pub(crate) fn hits(kind: Kind, limits: Limits, said: Option<usize>) -> String {
    let Limits { best_named, best_worded, named, worded, names_do } = limits;
    let mut parts = Parts::default();
    parts.add("best_named", 0, vec![dialect::top_matches(kind, Part::Names, 4)], best_named, None);
    parts.add("best_worded", 1, vec![dialect::top_matches(kind, Part::All, 3)], best_worded, None);
    let left = parts.add("named", 0, dialect::matches(kind, Part::Names, 4), named, None);
    parts.add("worded", 1, dialect::matches(kind, Part::All, 3), worded, left.filter(|_| names_do));
    if let Some(param) = said {
        parts.add("said", 2, dialect::matches(kind, Part::Names, param), SAID, None);
    }
    let Parts { with, near } = parts;
    format!(
        "WITH {} SELECT num, MIN(c) AS in_names FROM ({}) AS near GROUP BY num",
        with.join(", "),
        near.join(" UNION ALL ")
    )
}

/// Look-ups whose numbers make up the hits.
#[derive(Default)]
struct Parts {
    /// Their CTEs, each run once.
    with: Vec<String>,
    /// What is taken from each.
    near: Vec<String>,
}

impl Parts {
    /// Adds look-ups, one after another until there are `limit` numbers. `unless` is a
    /// number that must not be 0, or nothing is looked up. Answers how many are left.
    fn add(&mut self, name: &str, c: u8, lookups: Vec<String>, limit: usize, unless: Option<String>) -> Option<String> {
        let mut left = match unless {
            Some(number) => format!("CASE WHEN {number} = 0 THEN 0 ELSE {limit} END"),
            None => limit.to_string(),
        };
        // One of nothing stays, so that every parameter has a use.
        let asked = if limit == 0 { 1 } else { lookups.len() };
        for (n, sql) in lookups.into_iter().take(asked).enumerate() {
            self.with.push(format!("{name}_{n} AS MATERIALIZED ({sql} LIMIT {left})"));
            self.near.push(format!("SELECT num, {c} AS c FROM {name}_{n}"));
            left = format!("{left} - (SELECT COUNT(*) FROM {name}_{n})");
        }
        (limit > 0).then_some(left)
    }
}

/// What a phrase adds to a search's statement.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// `…, ` of the order: names that are the phrase, or have it between spaces, come
    /// first, then those that hold it, spaces or not.
    pub order: String,
    /// The parameter of its sound, so that these names are among the [`hits`] however
    /// many hold its words.
    pub said: Option<usize>,
    /// ` AND …`: what was found by the sound alone holds the phrase.
    pub holds: String,
}

impl Named {
    pub(crate) fn new(kind: Kind, phrase: &Phrase, vals: &mut Vec<Val<'_>>) -> Self {
        let squeezed = phrase.text.replace(' ', "");
        vals.extend([Val::from(format!("% {} %", phrase.text)), Val::from(format!("%{squeezed}%"))]);
        let n = vals.len();
        let between = format!(
            "' ' || LOWER(k.brand_zh || ' ' || k.name_zh || ' ' || k.brand_en || ' ' || k.name_en) || ' ' LIKE ${}",
            n - 1
        );
        let holds =
            format!("REPLACE(LOWER(k.brand_zh || k.name_zh || ' ' || k.brand_en || k.name_en), ' ', '') LIKE ${n}");
        let said = (!phrase.sound.is_empty()).then(|| {
            vals.push(Val::from(dialect::match_params(kind, &phrase.whole_sound()).1));
            n + 1
        });
        Self {
            order: format!("CASE WHEN {between} THEN 0 WHEN {holds} THEN 1 ELSE 2 END, "),
            said,
            holds: format!(" AND (hit.in_names < 2 OR {holds})"),
        }
    }
}

/// A product that is suggested: its code, its name in Chinese and in English; and
/// 0 if it was found by its name, as `in_names` of the [`hits`].
type Suggested = (String, String, String, i64);

/// Names of products that match, for suggestions; those that hold the phrase first,
/// then those found by their name, then what sells most. One statement where
/// the best sellers are enough, else two to four.
pub async fn suggest(
    conn: &mut Conn,
    store: &StoreId,
    terms: &[Term],
    phrase: Option<&Phrase>,
    enough: usize,
) -> Result<Vec<Suggested>> {
    // Two goods may have one name.
    let most = enough * 2;
    let limit = u32::try_from(most).unwrap_or(u32::MAX);
    let [best, named, worded] = SUGGESTED;
    let found = ask(conn, store, (terms, phrase), limit, best).await?;
    let names: HashSet<&str> = found.iter().filter(|row| row.3 == 0).map(|row| row.1.as_str()).collect();
    if found.len() >= most || (phrase.is_none() && names.len() >= enough) {
        return Ok(found);
    }
    if let Some(phrase) = phrase.filter(|phrase| !phrase.sound.is_empty()) {
        let mut begun = ask(conn, store, (&phrase.sound, Some(phrase)), limit, SUGGESTED_PHRASE).await?;
        if !begun.is_empty() {
            let others: Vec<Suggested> = found.into_iter().filter(|one| begun.iter().all(|b| b.0 != one.0)).collect();
            begun.extend(others);
            return Ok(begun);
        }
    }
    let found = ask(conn, store, (terms, phrase), limit, named).await?;
    if found.is_empty() { ask(conn, store, (terms, phrase), limit, worded).await } else { Ok(found) }
}

async fn ask(
    conn: &mut Conn,
    store: &StoreId,
    typed: (&[Term], Option<&Phrase>),
    limit: u32,
    limits: Limits,
) -> Result<Vec<Suggested>> {
    let (sql, vals) = suggest_sql(conn.kind(), store, typed, limit, limits);
    conn.all(AssertSqlSafe(sql), &vals).await
}

/// A statement of [`suggest`].
fn suggest_sql<'a>(
    kind: Kind,
    store: &'a StoreId,
    (terms, phrase): (&[Term], Option<&Phrase>),
    limit: u32,
    limits: Limits,
) -> (String, Vec<Val<'a>>) {
    let (all, names) = dialect::match_params(kind, terms);
    let mut vals = vec![Val::from(store), Val::from(limit), Val::from(all), Val::from(names)];
    let named = phrase.map(|phrase| Named::new(kind, phrase, &mut vals)).unwrap_or_default();
    let sql = format!(
        "WITH hit AS ({})
         SELECT k.code, k.name_zh, k.name_en, CAST(hit.in_names AS BIGINT) FROM hit CROSS JOIN sku k {IN_STORE}
         WHERE k.num = hit.num AND {SAME_POOL} AND k.active = TRUE{}
         ORDER BY {}hit.in_names, s.sales DESC, k.code LIMIT $2",
        hits(kind, limits.for_terms(terms), named.said),
        named.holds,
        named.order
    );
    (sql, vals)
}

/// All statements of [`suggest`], and of each whether it looks for the phrase's sound.
#[cfg(feature = "testing")]
pub(crate) fn statements<'a>(
    kind: Kind,
    store: &'a StoreId,
    (terms, phrase): (&[Term], Option<&Phrase>),
    limit: u32,
) -> Vec<(bool, (String, Vec<Val<'a>>))> {
    let by_terms =
        SUGGESTED.into_iter().map(|limits| (false, suggest_sql(kind, store, (terms, phrase), limit, limits)));
    let by_sound = phrase.map(|said| (true, suggest_sql(kind, store, (&said.sound, phrase), limit, SUGGESTED_PHRASE)));
    by_terms.chain(by_sound).collect()
}
