//! `/c` and `/c/:code`: the top categories as a rail, the goods of the chosen
//! one beside it.

use super::list::{Goods, breadcrumb};
use super::load::loaded;
use super::query;
use crate::api::catalogue;
use crate::api::cx::{refuse, visit};
use domain::Code;
use domain::view::{CategoryNode, ListQuery, ProductList};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use ui::components::{Empty, PageHead, Picture};
use ui::text::lang;
use ui::tr;

/// The goods of a category; of the first one if none is named.
#[component]
pub fn CategoriesPage() -> impl IntoView {
    let path = visit().path;
    let named = use_params_map().with_untracked(|params| params.get("code"));
    loaded(async move {
        let tree = catalogue::categories().await?;
        let Some(code) = named.clone().or_else(|| tree.first().map(|first| first.code.clone())) else {
            return Ok(no_categories().into_any());
        };
        if !tree.iter().any(|node| within(node, &code)) {
            return Err(refuse(Code::NotFound));
        }
        let query = ListQuery { category: Some(code.clone()), text: String::new(), ..query::read(&path) };
        let list = catalogue::list(query).await?;
        Ok(page(&tree, &code, list, named.is_some()).into_any())
    })
}

fn no_categories() -> impl IntoView {
    let lang = lang();
    view! {
        <PageHead title=tr!(lang, catalogue.categories_title) />
        <Empty icon="categories" title=tr!(lang, catalogue.no_categories) href="/stores" action=tr!(lang, site.stores_title) />
    }
}

/// Does the category `code` lie in the tree below `node`?
fn within(node: &CategoryNode, code: &str) -> bool {
    node.code == code || node.children.iter().any(|child| within(child, code))
}

fn page(tree: &[CategoryNode], code: &str, list: ProductList, named: bool) -> impl IntoView + use<> {
    let lang = lang();
    let title = match list.path.last() {
        Some((_, name)) if named => name.clone(),
        _ => tr!(lang, catalogue.categories_title).to_owned(),
    };
    let trail = (list.path.len() > 1).then(|| breadcrumb(lang, &list.path, false));
    let children = list.children.clone();
    let rail = tree
        .iter()
        .map(|node| {
            let current = if node.code == code { Some("page") } else { within(node, code).then_some("true") };
            view! { <li><a href=format!("/c/{}", node.code) aria-current=current>{node.name.clone()}</a></li> }
        })
        .collect_view();
    view! {
        <div class="browse">
            <nav class="browse-rail" aria-label=tr!(lang, catalogue.entries)><ul role="list">{rail}</ul></nav>
            <div class="browse-main">
                {trail}
                <PageHead title=title />
                <Children nodes=children />
                <Goods list=list base=format!("/c/{code}") />
            </div>
        </div>
    }
}

#[component]
fn Children(nodes: Vec<CategoryNode>) -> impl IntoView {
    let lang = lang();
    (!nodes.is_empty()).then(|| view! {
        <nav aria-label=tr!(lang, catalogue.subcategories)>
            <ul class="tiles" role="list">
                {nodes.into_iter().map(|node| view! {
                    <li><a href=format!("/c/{}", node.code)><Picture name=node.picture size=40 />{node.name}</a></li>
                }).collect_view()}
            </ul>
        </nav>
    })
}
