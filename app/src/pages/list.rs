//! Lists of products: search, what is cheap today, and the goods of a category
//! (see `categories`). Filters are a GET form, sorting and pages are links.

use super::live::{Live, skus};
use super::load::loaded;
use super::query;
use crate::api::catalogue;
use crate::api::cx::visit;
use crate::shell::here;
use domain::view::{Lang, ListQuery, ProductList, Sort};
use leptos::prelude::*;
use ui::components::{Check, Empty, GoodsGrid, Icon, PageHead, Select};
use ui::text::{self, lang};
use ui::tr;

/// `/search?q=…`.
#[component]
pub fn SearchPage() -> impl IntoView {
    let path = visit().path;
    loaded(async move {
        let list = catalogue::list(query::read(&path)).await?;
        let lang = lang();
        let title = if list.query.text.is_empty() {
            tr!(lang, catalogue.search_empty_title).to_owned()
        } else {
            tr!(lang, catalogue.search_title, text = &list.query.text)
        };
        Ok(view! { <PageHead title=title /><Goods list=list base="/search" /> })
    })
}

/// `/deals`: what has a discount now.
#[component]
pub fn DealsPage() -> impl IntoView {
    let path = visit().path;
    loaded(async move {
        let list = catalogue::list(ListQuery { deals: true, text: String::new(), ..query::read(&path) }).await?;
        Ok(view! { <PageHead title=tr!(lang(), catalogue.deals_title) /><Goods list=list base="/deals" /> })
    })
}

/// The tools and the goods of a list.
#[component]
pub fn Goods(
    /// The page of the list.
    list: ProductList,
    /// Its address without a query.
    #[prop(into)]
    base: String,
) -> impl IntoView {
    let lang = lang();
    let back = here(&visit());
    let shown = skus(&list.cards);
    let (query, pages) = (list.query.clone(), list.pages());
    let count = if list.more {
        tr!(lang, catalogue.found_many, n = list.total)
    } else {
        tr!(lang, catalogue.found, n = list.total)
    };
    view! {
        <div class="list-tools">
            <Sorts query=query.clone() base=base.clone() />
            <Filters list=list.clone() base=base.clone() />
            <p class="muted small" role="status">{count}</p>
        </div>
        {if list.cards.is_empty() {
            view! { <Nothing query=query.clone() base=base.clone() /> }.into_any()
        } else {
            view! {
                <section aria-labelledby="goods">
                    <h2 id="goods" class="visually-hidden">{tr!(lang, catalogue.goods)}</h2>
                    <div class="goods-column"><GoodsGrid cards=list.cards back=back eager=4 /></div>
                </section>
            }.into_any()
        }}
        <Pages query=query base=base pages=pages />
        <Live skus=shown />
    }
}

#[component]
fn Sorts(query: ListQuery, base: String) -> impl IntoView {
    let lang = lang();
    view! {
        <nav aria-label=tr!(lang, catalogue.sort)>
            <ul class="chips scroll" role="list">
                {Sort::ALL.into_iter().map(|sort| {
                    let href = query::write(&base, &ListQuery { sort, page: 1, ..query.clone() });
                    view! {
                        <li><a class="chip" href=href aria-current={(query.sort == sort).then_some("true")}>{text::sort(lang, sort)}</a></li>
                    }
                }).collect_view()}
            </ul>
        </nav>
    }
}

#[component]
fn Filters(list: ProductList, base: String) -> impl IntoView {
    let lang = lang();
    let query = list.query;
    let on = query::filters(&query);
    let label = if on > 0 { tr!(lang, catalogue.filters_on, n = on) } else { tr!(lang, catalogue.filters).to_owned() };
    let clear = query::write(&base, &query::unfiltered(&query));
    let any = || (String::new(), tr!(lang, catalogue.any).to_owned());
    let mut brands = list.brands;
    // A brand that is filtered by stays in the menu, even if nothing is left of it.
    if let Some(brand) = query.brand.clone().filter(|brand| !brands.contains(brand)) {
        brands.push(brand);
    }
    let brands = std::iter::once(any()).chain(brands.into_iter().map(|brand| (brand.clone(), brand))).collect();
    view! {
        <details class="filters" open={on > 0}>
            <summary><Icon name="filter" size=20 />{label}<Icon name="down" size=18 /></summary>
            <form method="get" action=base>
                {(!query.text.is_empty()).then(|| view! { <input type="hidden" name="q" value=query.text.clone() /> })}
                {(query.sort != Sort::Relevance).then(|| view! { <input type="hidden" name="sort" value=query.sort.as_str() /> })}
                <Select name="brand" label=tr!(lang, catalogue.brand) options=brands value=query.brand.clone().unwrap_or_default() />
                <Select name="diet" label=tr!(lang, catalogue.diet)
                    options=std::iter::once(any()).chain(text::DIETS.map(|code| (code.to_owned(), text::diet(lang, code)))).collect()
                    value=query.diet.clone().unwrap_or_default() />
                <Select name="without" label=tr!(lang, catalogue.without)
                    options=std::iter::once(any()).chain(text::ALLERGENS.map(|code| (code.to_owned(), text::allergen(lang, code)))).collect()
                    value=query.without.clone().unwrap_or_default() />
                <Check name="in_stock" value="1" checked=query.in_stock label=tr!(lang, catalogue.in_stock_only) />
                <div class="form-actions">
                    <button class="button primary small" type="submit">{tr!(lang, catalogue.apply)}</button>
                    {(on > 0).then(|| view! { <a class="button small" href=clear>{tr!(lang, catalogue.clear_filters)}</a> })}
                </div>
            </form>
        </details>
    }
}

#[component]
fn Nothing(query: ListQuery, base: String) -> impl IntoView {
    let lang = lang();
    let filtered = query::filters(&query) > 0;
    let (href, action) = if filtered {
        (query::write(&base, &query::unfiltered(&query)), tr!(lang, catalogue.clear_filters))
    } else {
        ("/c".to_owned(), tr!(lang, catalogue.nothing_action))
    };
    let text = if query.text.is_empty() && !filtered {
        tr!(lang, catalogue.search_hint)
    } else {
        tr!(lang, catalogue.nothing_text)
    };
    view! { <Empty icon="search" title=tr!(lang, catalogue.nothing) text=text href=href action=action /> }
}

#[component]
fn Pages(query: ListQuery, base: String, pages: u32) -> impl IntoView {
    let lang = lang();
    let at = query.page.max(1);
    let to = move |page: u32| query::write(&base, &ListQuery { page, ..query.clone() });
    (pages > 1).then(move || view! {
        <nav class="pages" aria-label=tr!(lang, catalogue.pages)>
            {(at > 1).then(|| view! { <a class="button small" href=to(at - 1) rel="prev">{tr!(lang, catalogue.previous)}</a> })}
            <span class="muted small">{tr!(lang, catalogue.page_of, page = at, pages = pages)}</span>
            {(at < pages).then(|| view! { <a class="button small" href=to(at + 1) rel="next">{tr!(lang, catalogue.next)}</a> })}
        </nav>
    })
}

/// The way to here: `首页 / 乳品 / 牛奶`.
pub fn breadcrumb(lang: Lang, path: &[(String, String)], last_is_link: bool) -> impl IntoView + use<> {
    let count = path.len();
    let items = path
        .iter()
        .enumerate()
        .map(|(i, (code, name))| {
            let here = i + 1 == count && !last_is_link;
            view! { <li><a href=format!("/c/{code}") aria-current=here.then_some("page")>{name.clone()}</a></li> }
        })
        .collect_view();
    view! {
        <nav class="breadcrumb" aria-label=tr!(lang, catalogue.breadcrumb)>
            <ol role="list"><li><a href="/">{tr!(lang, words.home)}</a></li>{items}</ol>
        </nav>
    }
}
