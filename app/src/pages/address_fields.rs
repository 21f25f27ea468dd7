//! The inputs of an address, the same on its own page and at checkout.

use crate::islands::UsePosition;
use leptos::prelude::*;
use ui::components::{Field, Icon};
use ui::text::lang;
use ui::tr;

/// Recipient, phone, street, door; and the position, if the browser gives it.
#[component]
pub fn AddressInputs(
    /// Recipient.
    #[prop(into)]
    name: String,
    /// Mobile number.
    #[prop(into)]
    phone: String,
    /// District and street.
    #[prop(into)]
    area: String,
    /// House, floor, door.
    #[prop(into)]
    detail: String,
    /// Latitude in degrees.
    #[prop(into)]
    lat: String,
    /// Longitude in degrees.
    #[prop(into)]
    lon: String,
) -> impl IntoView {
    let lang = lang();
    view! {
        <Field name="name" label=tr!(lang, member.recipient) value=name autocomplete="name" maxlength=40 />
        <Field name="phone" label=tr!(lang, member.phone) value=phone kind="tel" inputmode="tel" autocomplete="tel" maxlength=20 />
        <Field name="area" label=tr!(lang, member.area) hint=tr!(lang, member.area_hint) value=area autocomplete="address-line1" />
        <Field name="detail" label=tr!(lang, member.detail) value=detail autocomplete="address-line2" />
        <input type="hidden" name="lat" value=lat />
        <input type="hidden" name="lon" value=lon />
        <div class="cluster" data-js>
            <button class="button small" type="button" data-use-position><Icon name="pin" size=16 />{tr!(lang, member.use_position)}</button>
            <span class="muted small" role="status" data-position-status></span>
        </div>
    }
}

/// Makes the position's button work; outside of parts that change in place.
#[component]
pub fn PositionButton() -> impl IntoView {
    let lang = lang();
    view! {
        <UsePosition
            working=tr!(lang, member.position_working).to_owned()
            done=tr!(lang, member.position_done).to_owned()
            failed=tr!(lang, member.position_failed).to_owned()
        />
    }
}
