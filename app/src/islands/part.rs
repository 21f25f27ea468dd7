//! A part of a page that changes in place: its forms are sent in the
//! background, and then the server's own markup of the same address takes its
//! place. So there is one markup, with and without JavaScript, in one language.
//!
//! A part is an element with `data-part`. What people hold on to survives the
//! change: the focused control and the opened details.

use super::dom::document;
use super::toast::toast;
use gloo_net::http::Request;
use leptos::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use ui::AppError;
use wasm_bindgen::JsCast;
use web_sys::{Document, DomParser, Element, FormData, HtmlElement, HtmlFormElement, SupportedType, UrlSearchParams};

/// A form on its way: where to, and what.
pub(crate) struct Post {
    /// Path of the server function.
    pub url: String,
    /// Fields, URL-encoded.
    pub body: String,
    /// A later post with the same key makes this one needless while it waits.
    pub key: Option<String>,
}

/// Sends forms one after another, then shows the part as the server has it.
#[derive(Clone)]
pub(crate) struct Sender {
    part: &'static str,
    failed: Rc<str>,
    queue: Rc<RefCell<VecDeque<Post>>>,
    running: Rc<Cell<bool>>,
}

impl Sender {
    /// A sender for the part `part`; `failed` is shown when the shop cannot be reached.
    pub(crate) fn new(part: &'static str, failed: &str) -> Self {
        Self { part, failed: failed.into(), queue: Rc::default(), running: Rc::default() }
    }

    /// Sends `post` after those that wait already.
    pub(crate) fn send(&self, post: Post) {
        {
            let mut queue = self.queue.borrow_mut();
            if post.key.is_some() && queue.back().is_some_and(|last| last.key == post.key) {
                queue.pop_back();
            }
            queue.push_back(post);
        }
        self.run();
    }

    /// Shows the part as the server has it, unless forms are on their way: they do so at their end.
    pub(crate) fn refresh(&self) {
        self.run();
    }

    fn run(&self) {
        if self.running.replace(true) {
            return;
        }
        let own = self.clone();
        leptos::task::spawn_local(async move {
            loop {
                while let Some(post) = own.next() {
                    if let Err(message) = own.post(post).await {
                        toast(&message, None);
                    }
                }
                let shown = fetch_part(own.part).await;
                // What was sent meanwhile makes this answer old.
                if own.queue.borrow().is_empty() {
                    own.running.set(false);
                    match shown {
                        Fetched::Part(new) => put(own.part, &new),
                        Fetched::Other => reload(),
                        Fetched::Nothing => toast(&own.failed, None),
                    }
                    return;
                }
            }
        });
    }

    fn next(&self) -> Option<Post> {
        self.queue.borrow_mut().pop_front()
    }

    async fn post(&self, post: Post) -> Result<(), String> {
        let failed = || self.failed.to_string();
        let request = Request::post(&post.url)
            .header("Accept", "application/json")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(post.body)
            .map_err(|_| failed())?;
        let answer = request.send().await.map_err(|_| failed())?;
        if answer.ok() {
            return Ok(());
        }
        let text = answer.text().await.map_err(|_| failed())?;
        Err(serde_json::from_str::<AppError>(&text).map_or_else(|_| failed(), |error| error.shown(&self.failed)))
    }
}

/// A form's fields, and its button's, as a post; the button's `formaction` counts.
pub(crate) fn post_of(form: &HtmlFormElement, button: Option<&HtmlElement>) -> Option<Post> {
    let data = FormData::new_with_form(form).ok()?;
    let params = UrlSearchParams::new_with_str_sequence_sequence(&data).ok()?;
    let mut url = form.get_attribute("action")?;
    if let Some(button) = button {
        if let (Some(name), Some(value)) = (button.get_attribute("name"), button.get_attribute("value")) {
            params.append(&name, &value);
        }
        url = button.get_attribute("formaction").unwrap_or(url);
    }
    Some(Post { url, body: String::from(params.to_string()), key: None })
}

/// The element of a part.
pub(crate) fn part(name: &str) -> Option<Element> {
    document()?.query_selector(&format!("[data-part=\"{name}\"]")).ok()?
}

/// Loads the page again. The browser keeps the place in it.
pub(crate) fn reload() {
    let _ = window().location().reload();
}

/// What the server answered for the page's address.
enum Fetched {
    /// The part.
    Part(Element),
    /// Another page (signed out, say), or a part with an island in it: only a
    /// page load wakes those.
    Other,
    /// The shop cannot be reached.
    Nothing,
}

async fn fetch_part(name: &str) -> Fetched {
    match fetch_page().await {
        None => Fetched::Nothing,
        Some(page) => part_of(&page, name).map_or(Fetched::Other, Fetched::Part),
    }
}

async fn fetch_page() -> Option<Document> {
    let location = window().location();
    let url = format!("{}{}", location.pathname().ok()?, location.search().ok()?);
    let answer = Request::get(&url).header("Accept", "text/html").send().await.ok()?;
    let text = answer.text().await.ok()?;
    DomParser::new().ok()?.parse_from_string(&text, SupportedType::TextHtml).ok()
}

fn part_of(page: &Document, name: &str) -> Option<Element> {
    let count =
        page.query_selector("[data-basket-count]").ok()?.and_then(|badge| badge.get_attribute("data-basket-count"));
    if let Some(count) = count.and_then(|count| count.parse().ok()) {
        super::dom::set_basket_count(count);
    }
    let part = page.query_selector(&format!("[data-part=\"{name}\"]")).ok()??;
    part.query_selector("leptos-island").ok()?.is_none().then_some(part)
}

/// Puts the new part into the place of the old one.
fn put(name: &str, new: &Element) {
    let Some(old) = part(name) else { return };
    let focused = focused_in(&old);
    let opened = opened_in(&old);
    if old.replace_with_with_node_1(new).is_err() {
        return reload();
    }
    // The refusal of the form before is over.
    if let Some(flash) = document().and_then(|document| document.get_element_by_id("flash")) {
        flash.remove();
    }
    for selector in opened {
        if let Ok(Some(details)) = new.query_selector(&selector) {
            let _ = details.set_attribute("open", "");
        }
    }
    if let Some(selector) = focused {
        let found = new.query_selector(&selector).ok().flatten();
        // What was removed cannot be gone back to: the way to undo it can.
        let next = found.or_else(|| new.query_selector(".undo button").ok().flatten());
        if let Some(control) = next.and_then(|control| control.dyn_into::<HtmlElement>().ok()) {
            let _ = control.focus();
        }
    }
}

/// How to find the same element again: the line that it belongs to, and what it
/// is called there. Of buttons and radios of one name the value tells.
fn selector_of(element: &Element) -> String {
    let mut selector = String::new();
    if let Ok(Some(line)) = element.closest("[data-line]") {
        put_attribute(&mut selector, &line, "data-line");
    }
    let tag = element.tag_name().to_ascii_lowercase();
    selector.push(' ');
    selector.push_str(&tag);
    for name in ["id", "name", "class"] {
        put_attribute(&mut selector, element, name);
    }
    if tag == "button" || element.get_attribute("type").as_deref() == Some("radio") {
        put_attribute(&mut selector, element, "value");
    }
    selector
}

fn put_attribute(selector: &mut String, element: &Element, name: &str) {
    if let Some(value) = element.get_attribute(name) {
        for piece in ["[", name, "=\"", &value, "\"]"] {
            selector.push_str(piece);
        }
    }
}

fn focused_in(part: &Element) -> Option<String> {
    let active = document()?.active_element()?;
    part.contains(Some(&active)).then(|| selector_of(&active))
}

fn opened_in(part: &Element) -> Vec<String> {
    let Ok(list) = part.query_selector_all("details[open]") else { return Vec::new() };
    let opened = (0..list.length()).filter_map(|i| list.item(i)?.dyn_into::<Element>().ok());
    opened.map(|details| selector_of(&details)).collect()
}
