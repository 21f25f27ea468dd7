//! A part of a page that changes in place: its forms are sent in the
//! background, and then the server's own markup of the same address takes its
//! place. So there is one markup, with and without JavaScript, in one language.
//!
//! A part is an element with `data-part`. What people hold on to survives the
//! change, see [`super::hold`].

use super::dom::document;
use super::toast::toast;
use super::{hold, stock_event};
use gloo_net::http::Request;
use leptos::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use ui::AppError;
use wasm_bindgen::JsCast;
use web_sys::{
    Document, DomParser, Element, FormData, HtmlElement, HtmlFormElement, SubmitEvent, SupportedType, UrlSearchParams,
};

/// So many answers in a row are fetched again because something happened meanwhile.
const OLD_MOST: u32 = 3;
/// A part that could not be fetched is tried again after this time, then after twice as long.
const AGAIN: Duration = Duration::from_secs(4);

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
    /// Something happened since the part was asked for: the answer may be an old one.
    stale: Rc<Cell<bool>>,
    /// Tries in a row by which the part could not be fetched.
    missed: Rc<Cell<u32>>,
    /// The page is being left by one of its forms: nothing is sent or shown any more.
    leaving: Rc<Cell<bool>>,
    /// An input method is at work; `true` once the part has to be shown again after it.
    composing: Rc<Cell<Option<bool>>>,
}

impl Sender {
    /// A sender for the part `part`; `failed` is shown when the shop cannot be reached.
    fn new(part: &'static str, failed: &str) -> Self {
        Self {
            part,
            failed: failed.into(),
            queue: Rc::default(),
            running: Rc::default(),
            stale: Rc::default(),
            missed: Rc::default(),
            leaving: Rc::default(),
            composing: Rc::default(),
        }
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

    /// Shows the part as the server has it; after the forms that are on their way, and
    /// again if it is being fetched already.
    pub(crate) fn refresh(&self) {
        self.stale.set(true);
        self.run();
    }

    /// What the page shows is older than what was heard of.
    pub(crate) fn has_missed(&self) -> bool {
        self.missed.get() > 0
    }

    fn run(&self) {
        if self.leaving.get() || self.running.replace(true) {
            return;
        }
        let own = self.clone();
        leptos::task::spawn_local(async move {
            let mut old = 0;
            loop {
                while let Some(post) = own.next() {
                    if let Err(message) = own.post(post).await {
                        toast(&message, None);
                    }
                }
                own.stale.set(false);
                let shown = fetch_part(own.part).await;
                // What was sent meanwhile makes this answer old, and so does what happened
                // meanwhile; but where much happens, an old answer is better than none.
                let again = own.stale.get() && old < OLD_MOST;
                if own.queue.borrow().is_empty() && !again {
                    break own.show(shown);
                }
                old += u32::from(again);
            }
        });
    }

    fn show(&self, shown: Fetched) {
        self.running.set(false);
        if self.leaving.get() {
            return;
        }
        if self.composing.get().is_some() {
            self.composing.set(Some(true));
            return;
        }
        match shown {
            Fetched::Part(new) => {
                self.missed.set(0);
                put(self.part, &new);
            }
            Fetched::Other => reload(),
            Fetched::Nothing => {
                let tries = self.missed.replace(self.missed.get() + 1);
                if tries == 0 {
                    toast(&self.failed, None);
                }
                let own = self.clone();
                set_timeout(move || own.make_up(), AGAIN.saturating_mul(1 << tries.min(4)));
            }
        }
    }

    /// Shows what could not be fetched.
    fn make_up(&self) {
        if self.has_missed() {
            self.refresh();
        }
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
    hold::sent(form);
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
    // Too many requests, or nobody there: the page is still this one.
    if answer.status() == 429 || answer.status() >= 500 {
        return None;
    }
    let text = answer.text().await.ok()?;
    DomParser::new().ok()?.parse_from_string(&text, SupportedType::TextHtml).ok()
}

fn part_of(page: &Document, name: &str) -> Option<Element> {
    let count =
        page.query_selector("[data-basket-count]").ok()?.and_then(|badge| badge.get_attribute("data-basket-count"));
    if let Some(count) = count.and_then(|count| count.parse().ok()) {
        super::badge::set_basket_count(count);
    }
    let part = page.query_selector(&format!("[data-part=\"{name}\"]")).ok()??;
    part.query_selector("leptos-island").ok()?.is_none().then_some(part)
}

/// Puts the new part into the place of the old one.
fn put(name: &str, new: &Element) {
    let Some(old) = part(name) else { return };
    let held = hold::hold(&old);
    if old.replace_with_with_node_1(new).is_err() {
        return reload();
    }
    // The refusal of the form before is over.
    if let Some(flash) = document().and_then(|document| document.get_element_by_id("flash")) {
        flash.remove();
    }
    held.give(new);
}

/// What an island does with its part.
#[derive(Clone, Copy)]
pub(crate) struct Conduct {
    /// Is this form, sent by this button, one to send in the background?
    pub takes: fn(&HtmlFormElement, Option<&HtmlElement>) -> bool,
    /// What to send for it; it may show the outcome at once.
    pub submit: fn(&HtmlFormElement, Option<&HtmlElement>) -> Option<Post>,
    /// What to send when this control was changed.
    pub change: fn(&Element) -> Option<Post>,
    /// What to send when the stock of a line is another one; nothing shows the part again.
    pub stock: fn() -> Option<Post>,
}

/// Listens as long as the island lives: to the forms and controls of the part
/// `name`, and to the stock of its lines.
pub(crate) fn conduct(name: &'static str, failed: &str, conduct: Conduct) -> Sender {
    let sender = Sender::new(name, failed);
    let own = sender.clone();
    let submit = window_event_listener_untyped("submit", move |event| {
        let Some(event) = event.dyn_ref::<SubmitEvent>() else { return };
        let form = event.target().and_then(|target| target.dyn_into::<HtmlFormElement>().ok());
        let Some(form) = form.filter(|form| inside(name, form) && !event.default_prevented()) else { return };
        let button = event.submitter();
        if own.leaving.get() || !(conduct.takes)(&form, button.as_ref()) {
            // Unless another island takes it, the browser goes where it leads.
            let (own, event) = (own.clone(), event.clone());
            set_timeout(move || own.leaving.set(own.leaving.get() || !event.default_prevented()), Duration::ZERO);
            return;
        }
        event.prevent_default();
        if let Some(post) = (conduct.submit)(&form, button.as_ref()) {
            own.send(post);
        }
    });
    // It comes back from the back-forward cache: as it was, or as it is by now.
    let own = sender.clone();
    let back = window_event_listener_untyped("pageshow", move |_| {
        if own.leaving.replace(false) {
            own.refresh();
        }
    });
    let own = sender.clone();
    let online = window_event_listener_untyped("online", move |_| own.make_up());
    let own = sender.clone();
    let change = window_event_listener_untyped("change", move |event| {
        let control = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        if let Some(post) = control.filter(|control| inside(name, control)).and_then(|c| (conduct.change)(&c)) {
            own.send(post);
        }
    });
    let own = sender.clone();
    let stock = stock_event::on_change(move |_| match (conduct.stock)() {
        Some(post) => own.send(post),
        None => own.refresh(),
    });
    // An input method at work dies with its field: the part waits until the word is written.
    let (own, composing) = (sender.clone(), sender.composing.clone());
    let begin = window_event_listener_untyped("compositionstart", move |_| composing.set(Some(false)));
    let end = window_event_listener_untyped("compositionend", move |_| {
        if own.composing.take() == Some(true) {
            own.refresh();
        }
    });
    on_cleanup(move || {
        for listener in [submit, change, begin, end, back, online] {
            listener.remove();
        }
        stock.remove();
    });
    sender
}

fn inside(name: &str, element: &Element) -> bool {
    part(name).is_some_and(|part| part.contains(Some(element)))
}
