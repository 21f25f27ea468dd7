//! `/me/addresses`: the member's addresses.

use super::load::loaded;
use crate::api::account::addresses;
use domain::view::AddressView;
use leptos::prelude::*;
use ui::components::{Empty, Icon, PageHead};
use ui::text::lang;
use ui::tr;

/// The list of addresses.
#[component]
pub fn AddressesPage() -> impl IntoView {
    loaded(async move { Ok(page(addresses().await?)) })
}

fn page(addresses: Vec<AddressView>) -> impl IntoView {
    let lang = lang();
    let list = if addresses.is_empty() {
        view! { <Empty icon="pin" title=tr!(lang, member.no_addresses) text=tr!(lang, member.no_addresses_text) href="/me/addresses/new" action=tr!(lang, member.add_address) /> }.into_any()
    } else {
        view! {
            <ul class="card rows" role="list">
                {addresses.into_iter().map(|address| view! { <Address address=address /> }).collect_view()}
            </ul>
            <a class="button primary wide" href="/me/addresses/new"><Icon name="plus" size=20 />{tr!(lang, member.add_address)}</a>
        }
        .into_any()
    };
    view! {
        <div class="narrow stack">
            <PageHead title=tr!(lang, member.addresses_title) back="/me" />
            {list}
        </div>
    }
}

#[component]
fn Address(address: AddressView) -> impl IntoView {
    let lang = lang();
    let href = format!("/me/addresses/{}", address.id);
    view! {
        <li class="row">
            <div class="row-main">
                <p class="strong">{format!("{} {}", address.area, address.detail)}</p>
                <p class="muted small">{address.name.clone()}" "<span class="num">{address.phone.clone()}</span></p>
                <p class="cluster">
                    {address.is_default.then(|| view! { <span class="tag good">{tr!(lang, member.usual)}</span> })}
                    {(!address.in_area).then(|| view! { <span class="tag warn">{tr!(lang, checkout.out_of_area)}</span> })}
                </p>
            </div>
            <a class="icon-button" href=href aria-label=tr!(lang, member.edit_named, name = &address.name)><Icon name="edit" size=20 /></a>
        </li>
    }
}
