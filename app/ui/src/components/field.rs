//! Form parts. Each ties its label, hint and error to the control, so that the
//! error of a plain POST is announced where it belongs.

use super::icon::Icon;
use crate::error::field_error;
use crate::text::{self, lang};
use crate::tr;
use leptos::prelude::*;

/// A labelled input with hint and error.
#[component]
pub fn Field(
    /// `name` of the input; also its `id`.
    name: &'static str,
    /// Label.
    #[prop(into)]
    label: String,
    /// Value as last known.
    #[prop(optional, into)]
    value: String,
    /// `type` of the input.
    #[prop(default = "text")]
    kind: &'static str,
    /// `autocomplete` token.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// `inputmode`, such as `numeric`.
    #[prop(optional)]
    inputmode: Option<&'static str>,
    /// Longest text that is taken.
    #[prop(default = 100)]
    maxlength: u16,
    /// A line of help.
    #[prop(optional, into)]
    hint: String,
    /// Placeholder.
    #[prop(optional, into)]
    placeholder: String,
    /// Must it be filled in?
    #[prop(default = true)]
    required: bool,
    /// A `<textarea>` of so many rows instead of an input.
    #[prop(optional)]
    rows: Option<u8>,
) -> impl IntoView {
    let lang = lang();
    let error = field_error(name).map(|error| text::sentence(lang, &error));
    let hint_id = format!("{name}-hint");
    let error_id = format!("{name}-error");
    let mut described = Vec::new();
    if !hint.is_empty() {
        described.push(hint_id.clone());
    }
    if error.is_some() {
        described.push(error_id.clone());
    }
    let described = (!described.is_empty()).then(|| described.join(" "));
    let invalid = error.is_some().then_some("true");
    let control = match rows {
        Some(rows) => view! {
            <textarea id=name name=name rows=rows maxlength=maxlength required=required placeholder=placeholder
                aria-describedby=described aria-invalid=invalid>{value}</textarea>
        }
        .into_any(),
        None => view! {
            <input id=name name=name type=kind value=value autocomplete=autocomplete inputmode=inputmode
                maxlength=maxlength required=required placeholder=placeholder
                aria-describedby=described aria-invalid=invalid />
        }
        .into_any(),
    };
    view! {
        <div class="field">
            <label for=name>{label}{(!required).then(|| view! { <span class="optional">{tr!(lang, words.optional)}</span> })}</label>
            {control}
            {(!hint.is_empty()).then(|| view! { <p id=hint_id class="hint">{hint}</p> })}
            {error.map(|error| view! { <p id=error_id class="field-error"><Icon name="alert" size=16 />{error}</p> })}
        </div>
    }
}

/// One of several: a radio as a card. Put them into a `<fieldset class="choices">`
/// with a `<legend>`.
#[component]
pub fn Choice(
    /// `name` of the group.
    #[prop(into)]
    name: String,
    /// Value of this one.
    #[prop(into)]
    value: String,
    /// Is it chosen?
    checked: bool,
    /// Can it be chosen?
    #[prop(default = false)]
    disabled: bool,
    /// Label.
    #[prop(into)]
    label: String,
    /// A second line.
    #[prop(optional, into)]
    hint: String,
    /// More, below the label.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <label class="choice">
            <input type="radio" name=name value=value checked=checked disabled=disabled />
            <span class="choice-text">
                <span class="choice-label">{label}</span>
                {(!hint.is_empty()).then(|| view! { <span class="hint">{hint}</span> })}
                {children.map(|children| children())}
            </span>
        </label>
    }
}

/// A tick box with a label.
#[component]
pub fn Check(
    /// `name` of the input.
    name: &'static str,
    /// Value that is sent when ticked.
    #[prop(default = "true")]
    value: &'static str,
    /// Is it ticked?
    checked: bool,
    /// Label.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    let lang = lang();
    let error = field_error(name).map(|error| text::sentence(lang, &error));
    let error_id = format!("{name}-error");
    view! {
        <div class="check-field">
            <label class="check">
                <input type="checkbox" name=name value=value checked=checked
                    aria-invalid=error.is_some().then_some("true")
                    aria-describedby=error.is_some().then(|| error_id.clone()) />
                <span>{label}</span>
            </label>
            {error.map(|error| view! { <p id=error_id class="field-error"><Icon name="alert" size=16 />{error}</p> })}
        </div>
    }
}

/// A menu with a label. `options`: (value, text).
#[component]
pub fn Select(
    /// `name` of the control; also its `id`.
    name: &'static str,
    /// Label.
    #[prop(into)]
    label: String,
    /// Values and texts in order.
    options: Vec<(String, String)>,
    /// The chosen value.
    #[prop(into)]
    value: String,
) -> impl IntoView {
    view! {
        <div class="field">
            <label for=name>{label}</label>
            <select id=name name=name>
                {options.into_iter().map(|(code, label)| {
                    let selected = code == value;
                    view! { <option value=code selected=selected>{label}</option> }
                }).collect_view()}
            </select>
        </div>
    }
}

/// The page that a plain form comes back to.
#[component]
pub fn Back(
    /// A path within the shop.
    #[prop(into)]
    to: String,
) -> impl IntoView {
    view! { <input type="hidden" name="back" value=to /> }
}

/// A quantity: a number input that an island turns into a stepper (− n +).
#[component]
pub fn Quantity(
    /// `name` of the input.
    #[prop(default = "packs")]
    name: &'static str,
    /// Packs now.
    value: i64,
    /// The most that can be had.
    max: i64,
    /// The least; 0 where it removes the line.
    #[prop(default = 1)]
    min: i64,
    /// What it counts, for the label that is only heard.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    let lang = lang();
    view! {
        <span class="stepper" data-stepper>
            <button type="button" data-step="-1" aria-label=tr!(lang, words.less) hidden><Icon name="minus" size=18 /></button>
            <input type="number" name=name value=value min=min max=max step="1" inputmode="numeric" aria-label=label required />
            <button type="button" data-step="1" aria-label=tr!(lang, words.more_of) hidden><Icon name="plus" size=18 /></button>
        </span>
    }
}
