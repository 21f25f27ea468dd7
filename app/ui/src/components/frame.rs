//! Frames of a page: head, section, empty state, notes, sheets.

use super::icon::Icon;
use crate::error::form_error;
use crate::text::{self, lang};
use crate::tr;
use leptos::prelude::*;
use leptos_meta::Title;

/// The head of a page: its title (also in the tab), a way back, and room for an
/// action at the end.
#[component]
pub fn PageHead(
    /// The one `<h1>` of the page, and the tab's title.
    #[prop(into)]
    title: String,
    /// Where the arrow leads; none if empty.
    #[prop(optional, into)]
    back: String,
    /// An action at the end of the line.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let lang = lang();
    view! {
        <Title text=title.clone() />
        <div class="page-head">
            {(!back.is_empty()).then(|| view! {
                <a class="icon-button" href=back aria-label=tr!(lang, words.back)><Icon name="back" /></a>
            })}
            <h1>{title}</h1>
            {children.map(|children| view! { <div class="page-head-end">{children()}</div> })}
        </div>
    }
}

/// A section with a heading, and a link to more.
#[component]
pub fn Section(
    /// Heading.
    #[prop(into)]
    title: String,
    /// `id` of the section, for links to it and for `aria-labelledby`.
    id: &'static str,
    /// Where "more" leads.
    #[prop(optional, into)]
    more: String,
    /// Further classes, such as `card`.
    #[prop(default = "")]
    class: &'static str,
    /// Content.
    children: Children,
) -> impl IntoView {
    let lang = lang();
    let heading = format!("{id}-h");
    view! {
        <section id=id class=format!("section {class}") aria-labelledby=heading.clone()>
            <div class="section-head">
                <h2 id=heading.clone()>{title.clone()}</h2>
                {(!more.is_empty()).then(|| view! {
                    <a class="more" href=more aria-label=format!("{}: {title}", tr!(lang, words.more))>{tr!(lang, words.more)}<Icon name="forward" size=16 /></a>
                })}
            </div>
            {children()}
        </section>
    }
}

/// Nothing here, and a way out.
#[component]
pub fn Empty(
    /// Icon's name.
    icon: &'static str,
    /// What is not there; none where the page's head says it.
    #[prop(optional, into)]
    title: String,
    /// What to do about it.
    #[prop(optional, into)]
    text: String,
    /// Where the button leads.
    #[prop(into)]
    href: String,
    /// The button's text.
    #[prop(into)]
    action: String,
) -> impl IntoView {
    view! {
        <div class="empty">
            <span class="empty-icon"><Icon name=icon size=40 /></span>
            {(!title.is_empty()).then(|| view! { <p class="empty-title">{title}</p> })}
            {(!text.is_empty()).then(|| view! { <p class="muted">{text}</p> })}
            <a class="button primary" href=href>{action}</a>
        </div>
    }
}

/// A remark in the flow of a page. `kind`: `info`, `good`, `warn`, `bad`.
#[component]
pub fn Note(
    /// `info`, `good`, `warn` or `bad`.
    #[prop(default = "info")]
    kind: &'static str,
    /// Content.
    children: Children,
) -> impl IntoView {
    let icon = match kind {
        "good" => "check",
        "warn" | "bad" => "alert",
        _ => "info",
    };
    view! {
        <div class=format!("note note-{kind}")><Icon name=icon size=20 /><div class="note-text">{children()}</div></div>
    }
}

/// The error that the form just sent came back with, announced. The shell shows
/// it above every page; a field shows its own as well.
#[component]
pub fn Flash() -> impl IntoView {
    let lang = lang();
    form_error().map(|error| {
        view! {
            <div id="flash" class="flash" role="alert" tabindex="-1">
                <Icon name="alert" size=20 />
                <p>{text::sentence(lang, &error)}</p>
            </div>
        }
    })
}

/// A sheet from below (a dialog on wide screens), opened by
/// the link `#id`: as a modal dialog, or as the link's target where there is no
/// JavaScript.
#[component]
pub fn Sheet(
    /// `id`, the target of the link that opens it.
    #[prop(into)]
    id: String,
    /// Heading.
    #[prop(into)]
    title: String,
    /// Content.
    children: Children,
) -> impl IntoView {
    let lang = lang();
    let heading = format!("{id}-h");
    view! {
        <dialog id=id class="sheet" aria-labelledby=heading.clone()>
            <a class="sheet-back" href="#_" tabindex="-1" aria-hidden="true"></a>
            <div class="sheet-panel">
                <div class="sheet-head">
                    <h2 id=heading.clone()>{title}</h2>
                    <a class="icon-button" href="#_" aria-label=tr!(lang, words.close)><Icon name="close" /></a>
                </div>
                {children()}
            </div>
        </dialog>
    }
}
