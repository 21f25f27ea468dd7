//! The address of a list, read and written: filters, sorting, page.

use crate::shell::{encode, query_value};
use domain::view::{ListQuery, Sort};

/// What a list is asked for, by the query of `path`.
pub fn read(path: &str) -> ListQuery {
    let text = |name: &str| query_value(path, name).trim().to_owned();
    let some = |name: &str| Some(text(name)).filter(|value| !value.is_empty());
    ListQuery {
        text: text("q").chars().take(60).collect(),
        category: None,
        brand: some("brand"),
        diet: some("diet"),
        without: some("without"),
        in_stock: text("in_stock") == "1",
        deals: false,
        sort: Sort::parse(&text("sort")),
        page: text("page").parse().unwrap_or(1).clamp(1, 1000),
    }
}

/// The address of `query` below `base` (`/search`, `/c/dairy`, `/deals`).
pub fn write(base: &str, query: &ListQuery) -> String {
    let mut pairs = Vec::new();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            pairs.push(format!("{name}={}", encode(value)));
        }
    };
    put("q", &query.text);
    put("brand", query.brand.as_deref().unwrap_or_default());
    put("diet", query.diet.as_deref().unwrap_or_default());
    put("without", query.without.as_deref().unwrap_or_default());
    put("in_stock", if query.in_stock { "1" } else { "" });
    put("sort", if query.sort == Sort::Relevance { "" } else { query.sort.as_str() });
    if query.page > 1 {
        put("page", &query.page.to_string());
    }
    if pairs.is_empty() { base.to_owned() } else { format!("{base}?{}", pairs.join("&")) }
}

/// How many filters are set.
pub fn filters(query: &ListQuery) -> usize {
    [query.brand.is_some(), query.diet.is_some(), query.without.is_some(), query.in_stock]
        .into_iter()
        .filter(|on| *on)
        .count()
}

/// The query without its filters, on its first page.
pub fn unfiltered(query: &ListQuery) -> ListQuery {
    ListQuery {
        text: query.text.clone(),
        category: query.category.clone(),
        deals: query.deals,
        sort: query.sort,
        page: 1,
        ..ListQuery::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_the_whole_list() {
        let query = ListQuery {
            text: "牛奶".to_owned(),
            brand: Some("晨光 & 友".to_owned()),
            in_stock: true,
            sort: Sort::PriceUp,
            page: 3,
            ..ListQuery::default()
        };
        assert_eq!(read(&write("/search", &query)), query);
        assert_eq!(filters(&query), 2);
        assert_eq!(write("/c/dairy", &ListQuery { page: 1, ..ListQuery::default() }), "/c/dairy");
    }

    #[test]
    fn nonsense_in_an_address_is_left_out() {
        let query = read("/search?page=-1&sort=x&in_stock=yes&q=%20%20");
        assert_eq!(query, ListQuery { page: 1, ..ListQuery::default() });
    }
}
