//! `/settings`: language and colours, kept in this browser.

use crate::api::cx::{Theme, visit};
use domain::view::Lang;
use leptos::prelude::*;
use ui::components::{Back, Choice, Icon, PageHead};
use ui::tr;

/// The settings of this browser.
#[component]
pub fn SettingsPage() -> impl IntoView {
    let visitor = visit();
    let lang = visitor.lang;
    let languages = [(Lang::Zh, "简体中文"), (Lang::En, "English")];
    let themes = [
        (Theme::Auto, tr!(lang, site.theme_auto)),
        (Theme::Light, tr!(lang, site.theme_light)),
        (Theme::Dark, tr!(lang, site.theme_dark)),
    ];
    view! {
        <div class="narrow stack">
            <PageHead title=tr!(lang, site.settings_title) back="/" />
            <form class="card form" method="post" action="/api/settings/lang">
                <Back to="/settings" />
                <fieldset class="choices">
                    <legend>{tr!(lang, site.language)}</legend>
                    {languages.into_iter().map(|(code, name)| view! {
                        <Choice name="lang" value=code.tag() checked={code == lang} label=name />
                    }).collect_view()}
                </fieldset>
                <button class="button" type="submit">{tr!(lang, words.save)}</button>
            </form>
            <form class="card form" method="post" action="/api/settings/theme">
                <Back to="/settings" />
                <fieldset class="choices">
                    <legend>{tr!(lang, site.theme)}</legend>
                    {themes.into_iter().map(|(theme, name)| view! {
                        <Choice name="theme" value=theme.as_str() checked={theme == visitor.theme} label=name />
                    }).collect_view()}
                </fieldset>
                <button class="button" type="submit">{tr!(lang, words.save)}</button>
            </form>
            <nav class="card menu" aria-label=tr!(lang, words.more)>
                <ul class="rows" role="list">
                    <li><a class="row" href="/stores">{tr!(lang, site.stores_title)}<span class="row-end">{visitor.store_name.clone()}<Icon name="forward" size=16 /></span></a></li>
                    <li><a class="row" href="/about">{tr!(lang, site.about_title)}<span class="row-end"><Icon name="forward" size=16 /></span></a></li>
                </ul>
            </nav>
        </div>
    }
}
