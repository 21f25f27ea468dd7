//! `/me/addresses/:id`: one address, or a new one (`new`).

use super::address_fields::{AddressInputs, PositionButton};
use super::load::loaded;
use crate::api::account::{AddressFields, address};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use ui::components::{Check, PageHead};
use ui::text::lang;
use ui::tr;

/// The form of an address.
#[component]
pub fn AddressPage() -> impl IntoView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    loaded(async move { Ok(page(address(&id).await?)) })
}

fn page(known: AddressFields) -> impl IntoView {
    let lang = lang();
    let is_new = known.id.is_empty();
    let title = if is_new { tr!(lang, member.new_address) } else { tr!(lang, member.edit_address) };
    let id = known.id.clone();
    view! {
        <div class="narrow stack">
            <PageHead title=title back="/me/addresses" />
            <PositionButton />
            <form class="card form" method="post" action="/api/account/address_save" data-submit-once>
                <input type="hidden" name="id" value=known.id.clone() />
                <AddressInputs name=known.name.clone() phone=known.phone.clone() area=known.area.clone() detail=known.detail.clone() lat=known.lat.clone() lon=known.lon.clone() />
                <Check name="is_default" checked={known.is_default == "true"} label=tr!(lang, member.is_default) />
                <button class="button primary wide" type="submit" data-once>{tr!(lang, words.save)}</button>
            </form>
            {(!is_new).then(|| view! { <Delete id=id.clone() /> })}
        </div>
    }
}

/// Deletes after a second question, without JavaScript too.
#[component]
fn Delete(id: String) -> impl IntoView {
    let lang = lang();
    view! {
        <details class="confirm">
            <summary class="button danger wide">{tr!(lang, member.delete_address)}</summary>
            <form class="card form" method="post" action="/api/account/address_delete">
                <input type="hidden" name="id" value=id />
                <p>{tr!(lang, member.delete_sure)}</p>
                <button class="button danger" type="submit">{tr!(lang, member.delete_yes)}</button>
            </form>
        </details>
    }
}
