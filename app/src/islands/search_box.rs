//! The search box: a plain form to `/search`; with JavaScript also suggestions
//! while typing, by the pattern of an ARIA combobox with a list.

use domain::view::Suggestion;
use leptos::ev;
use leptos::html::Input;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Texts of [`SearchBox`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SearchTexts {
    /// Label of the box.
    pub label: String,
    /// Placeholder.
    pub placeholder: String,
    /// The button.
    pub button: String,
    /// Label of the list.
    pub suggestions: String,
    /// Label of the list of recent searches.
    pub recent: String,
}

/// The search box of the header.
#[island]
pub fn SearchBox(
    /// What was searched for.
    value: String,
    /// Texts.
    texts: SearchTexts,
) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    let (ready, set_ready) = signal(false);
    let (found, set_found) = signal(Vec::<Suggestion>::new());
    let (open, set_open) = signal(false);
    let (active, set_active) = signal(None::<usize>);
    let (recent, set_recent) = signal(false);
    let look = Look { set_found, set_open, set_active, set_recent, asked: StoredValue::new(0) };
    Effect::new(move |_| set_ready.set(cfg!(target_arch = "wasm32")));

    let count = move || found.with(Vec::len);
    let shown = move || ready.get() && open.get() && count() > 0;
    let on_key = move |event: ev::KeyboardEvent| match step(&event.key(), shown(), active.get(), count()) {
        Key::Move(to) => {
            event.prevent_default();
            set_active.set(to);
        }
        Key::Go(i) => {
            event.prevent_default();
            found.with(|all| all.get(i).map(|one| go(&one.link)));
        }
        Key::Close => {
            event.prevent_default();
            set_open.set(false);
            set_active.set(None);
        }
        Key::Nothing => {}
    };
    let SearchTexts { label, placeholder, button, suggestions, recent: recent_label } = texts;
    view! {
        <form class="search" role="search" action="/search" method="get"
            on:submit=move |_| remember(&input.get().map(|i| i.value()).unwrap_or_default())>
            <svg class="icon" width="20" height="20" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" aria-hidden="true">
                <path d="M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM16 16l4.5 4.5" />
            </svg>
            <input node_ref=input type="search" name="q" value=value aria-label=label placeholder=placeholder
                autocomplete="off" autocapitalize="off" spellcheck="false" enterkeyhint="search" maxlength="60"
                role=move || ready.get().then_some("combobox")
                aria-autocomplete=move || ready.get().then_some("list")
                aria-expanded=move || ready.get().then(|| shown().to_string())
                aria-controls=move || ready.get().then_some("suggestions")
                aria-activedescendant=move || active.get().filter(|_| shown()).map(option_id)
                on:input=move |event| look.typed(event_target_value(&event))
                on:focus=move |event| look.typed(event_target_value(&event))
                on:blur=move |_| set_open.set(false)
                on:keydown=on_key />
            <button type="submit">{button}</button>
            <ul id="suggestions" class="suggestions" role="listbox" hidden=move || !shown()
                aria-label=move || if recent.get() { recent_label.clone() } else { suggestions.clone() }>
                {move || found.get().into_iter().enumerate().map(|(i, one)| {
                    let link = one.link.clone();
                    view! {
                        <li id=option_id(i) role="option" aria-selected=move || (active.get() == Some(i)).to_string()
                            // Before the blur that closes the list.
                            on:mousedown=move |event| { event.prevent_default(); go(&link) }>
                            {one.text}
                        </li>
                    }
                }).collect::<Vec<_>>()}
            </ul>
        </form>
    }
}

fn option_id(i: usize) -> String {
    format!("suggestion-{i}")
}

/// What a key does to the list.
#[derive(Debug, PartialEq, Eq)]
enum Key {
    Move(Option<usize>),
    Go(usize),
    Close,
    Nothing,
}

fn step(key: &str, shown: bool, active: Option<usize>, count: usize) -> Key {
    if !shown {
        return Key::Nothing;
    }
    match key {
        "ArrowDown" => Key::Move(active.map_or(Some(0), |i| (i + 1 < count).then_some(i + 1))),
        "ArrowUp" => Key::Move(active.map_or(Some(count - 1), |i| i.checked_sub(1))),
        "Enter" => active.map_or(Key::Nothing, Key::Go),
        "Escape" => Key::Close,
        _ => Key::Nothing,
    }
}

/// Where suggestions go as they come.
#[derive(Clone, Copy)]
#[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "read in the browser alone"))]
struct Look {
    set_found: WriteSignal<Vec<Suggestion>>,
    set_open: WriteSignal<bool>,
    set_active: WriteSignal<Option<usize>>,
    set_recent: WriteSignal<bool>,
    /// Counts the questions, so that a late answer to an old one is dropped.
    asked: StoredValue<u32>,
}

impl Look {
    #[cfg(not(target_arch = "wasm32"))]
    #[expect(clippy::unused_self, reason = "acts in the browser alone")]
    fn typed(self, _text: String) {}

    #[cfg(target_arch = "wasm32")]
    fn typed(self, text: String) {
        self.asked.update_value(|n| *n += 1);
        let mine = self.asked.get_value();
        if text.trim().is_empty() {
            self.show(recent(), true);
            return;
        }
        set_timeout(
            move || {
                if self.asked.get_value() != mine {
                    return;
                }
                leptos::task::spawn_local(async move {
                    let answer = crate::api::catalogue::suggest(text.trim().to_owned()).await;
                    if self.asked.try_get_value() == Some(mine) {
                        self.show(answer.unwrap_or_default(), false);
                    }
                });
            },
            std::time::Duration::from_millis(150),
        );
    }

    #[cfg(target_arch = "wasm32")]
    fn show(self, found: Vec<Suggestion>, recent: bool) {
        self.set_active.set(None);
        self.set_recent.set(recent);
        self.set_open.set(!found.is_empty());
        self.set_found.set(found);
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn go(_link: &str) {}

#[cfg(target_arch = "wasm32")]
fn go(link: &str) {
    let _ = window().location().set_href(link);
}

#[cfg(target_arch = "wasm32")]
const RECENT: &str = "zaijia.searches";
#[cfg(target_arch = "wasm32")]
const MOST_RECENT: usize = 6;

/// The last searches, newest first.
#[cfg(target_arch = "wasm32")]
fn recent() -> Vec<Suggestion> {
    use gloo_storage::{LocalStorage, Storage};
    let texts: Vec<String> = LocalStorage::get(RECENT).unwrap_or_default();
    texts
        .into_iter()
        .map(|text| Suggestion {
            link: format!("/search?q={}", String::from(js_sys::encode_uri_component(&text))),
            text,
        })
        .collect()
}

#[cfg(not(target_arch = "wasm32"))]
fn remember(_text: &str) {}

#[cfg(target_arch = "wasm32")]
fn remember(text: &str) {
    use gloo_storage::{LocalStorage, Storage};
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let mut texts: Vec<String> = LocalStorage::get(RECENT).unwrap_or_default();
    texts.retain(|old| old != text);
    texts.insert(0, text.to_owned());
    texts.truncate(MOST_RECENT);
    let _ = LocalStorage::set(RECENT, texts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_walk_the_list_and_back_to_the_text() {
        assert_eq!(step("ArrowDown", true, None, 2), Key::Move(Some(0)));
        assert_eq!(step("ArrowDown", true, Some(1), 2), Key::Move(None));
        assert_eq!(step("ArrowUp", true, None, 2), Key::Move(Some(1)));
        assert_eq!(step("ArrowUp", true, Some(0), 2), Key::Move(None));
        assert_eq!(step("Enter", true, Some(1), 2), Key::Go(1));
        assert_eq!(step("Enter", true, None, 2), Key::Nothing);
        assert_eq!(step("Escape", true, None, 2), Key::Close);
        assert_eq!(step("Escape", false, None, 0), Key::Nothing);
    }
}
