//! `/me`: who is signed in, their orders, coupons, addresses and settings.

use super::load::loaded;
use crate::api::account::me;
use domain::view::{Lang, MemberView};
use leptos::prelude::*;
use ui::components::{Field, Icon, PageHead};
use ui::text::{self, lang};
use ui::tr;

/// The member's own page.
#[component]
pub fn MePage() -> impl IntoView {
    loaded(async move {
        Ok(match me().await? {
            Some(member) => page(&member).into_any(),
            None => guest().into_any(),
        })
    })
}

fn guest() -> impl IntoView {
    let lang = lang();
    view! {
        <div class="narrow stack">
            <PageHead title=tr!(lang, member.title) />
            <section class="me-head">
                <span class="avatar"><Icon name="me" size=32 /></span>
                <div class="stack-small"><p>{tr!(lang, member.guest_title)}</p><p><a class="button primary" href="/sign-in?back=/me">{tr!(lang, words.sign_in)}</a></p></div>
            </section>
            <Menu entries=settings_entries(lang) />
        </div>
    }
}

fn page(member: &MemberView) -> impl IntoView + use<> {
    let lang = lang();
    let (unpaid, open, _) = member.orders;
    let name = if member.name.is_empty() { tr!(lang, member.no_name).to_owned() } else { member.name.clone() };
    let unread = if member.unread > 0 { tr!(lang, member.unread_n, n = member.unread) } else { String::new() };
    let mut entries = vec![
        Entry {
            href: "/me/coupons",
            icon: "ticket",
            label: tr!(lang, member.coupons),
            end: tr!(lang, member.coupons_n, n = member.coupons),
        },
        Entry { href: "/me/messages", icon: "bell", label: tr!(lang, member.messages), end: unread },
        Entry { href: "/me/addresses", icon: "pin", label: tr!(lang, member.addresses), end: String::new() },
        Entry {
            href: "/me/substitutes",
            icon: "swap",
            label: tr!(lang, member.substitutes),
            end: text::choice(lang, &member.substitution_default),
        },
    ];
    entries.extend(settings_entries(lang));
    view! {
        <div class="narrow stack">
            <PageHead title=tr!(lang, member.title) />
            <section class="me-head">
                <span class="avatar"><Icon name="me" size=32 /></span>
                <div class="me-who">
                    <p class="strong">{name} {member.is_member.then(|| view! { " "<span class="tag good">{tr!(lang, member.is_member)}</span> })}</p>
                    <p class="num">{member.phone.clone()}</p>
                    <NameForm name=member.name.clone() />
                </div>
            </section>
            <section class="card section" aria-labelledby="my-orders">
                <div class="section-head"><h2 id="my-orders">{tr!(lang, member.orders)}</h2></div>
                <ul class="order-entries" role="list">
                    <li><a href="/orders?tab=unpaid"><Icon name="clock" />{tr!(lang, member.orders_unpaid)}<Count n=unpaid /></a></li>
                    <li><a href="/orders?tab=open"><Icon name="truck" />{tr!(lang, member.orders_open)}<Count n=open /></a></li>
                    <li><a href="/orders?tab=done"><Icon name="check" />{tr!(lang, member.orders_done)}</a></li>
                    <li><a href="/orders"><Icon name="receipt" />{tr!(lang, member.all_orders)}</a></li>
                </ul>
            </section>
            <Menu entries=entries />
            <form class="stack" method="post" action="/api/account/sign_out">
                <button class="button wide" type="submit"><Icon name="logout" size=20 />{tr!(lang, words.sign_out)}</button>
                <button class="button wide" type="submit" name="everywhere" value="true">{tr!(lang, words.sign_out_everywhere)}</button>
            </form>
        </div>
    }
}

/// How many orders wait: nothing for none.
#[component]
fn Count(n: u32) -> impl IntoView {
    (n > 0).then(|| view! { <span class="badge">{ui::format::badge(n.into())}</span> })
}

#[component]
fn NameForm(name: String) -> impl IntoView {
    let lang = lang();
    let open = ui::error::field_error("name").is_some();
    view! {
        <details class="name-form" open=open>
            <summary class="link small">{tr!(lang, member.edit_name)}</summary>
            <form class="inline-field" method="post" action="/api/account/name">
                <Field name="name" label=tr!(lang, member.name) value=name autocomplete="nickname" maxlength=40 />
                <button class="button" type="submit">{tr!(lang, words.save)}</button>
            </form>
        </details>
    }
}

/// An entry of the menu.
struct Entry {
    href: &'static str,
    icon: &'static str,
    label: &'static str,
    end: String,
}

fn settings_entries(lang: Lang) -> Vec<Entry> {
    vec![
        Entry { href: "/stores?back=/me", icon: "store", label: tr!(lang, member.store), end: String::new() },
        Entry { href: "/settings", icon: "settings", label: tr!(lang, member.settings), end: String::new() },
        Entry { href: "/about", icon: "info", label: tr!(lang, member.about), end: String::new() },
    ]
}

#[component]
fn Menu(entries: Vec<Entry>) -> impl IntoView {
    let lang = lang();
    view! {
        <nav class="card" aria-label=tr!(lang, member.service)>
            <ul class="rows menu" role="list">
                {entries.into_iter().map(|entry| view! {
                    <li><a class="row" href=entry.href>
                        <span class="cluster"><Icon name=entry.icon size=20 />{entry.label}</span>
                        <span class="row-end small">{entry.end}<Icon name="forward" size=16 /></span>
                    </a></li>
                }).collect_view()}
            </ul>
        </nav>
    }
}
