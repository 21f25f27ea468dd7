//! What people hold on to while a part of the page is replaced by the server's
//! newer one: the focused control with its selection, opened details, and
//! whatever was typed or chosen since the form was sent that the answer is to.
//!
//! A control remembers what was last sent of it (`data-sent`); what differs from
//! that, or from what the server rendered if nothing was sent, is newer than the
//! answer and is carried over.

use super::dom::document;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, HtmlFormElement, HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};

/// The attribute that holds what was sent of a control.
const SENT: &str = "data-sent";

/// What is held of a part.
pub(crate) struct Held {
    opened: Vec<String>,
    /// Controls that are newer than the answer: how to find them, and what they say.
    typed: Vec<(String, String)>,
    focused: Option<(String, Option<(u32, u32)>)>,
}

/// Marks the controls of a form as sent as they are.
pub(crate) fn sent(form: &HtmlFormElement) {
    for control in elements(form, CONTROLS) {
        if let Some(value) = value_of(&control) {
            let _ = control.set_attribute(SENT, &value);
        }
    }
}

/// What is to survive the replacement of `part`.
pub(crate) fn hold(part: &Element) -> Held {
    let newer = |control: &Element| {
        let value = value_of(control)?;
        let known = control.get_attribute(SENT).or_else(|| rendered(control))?;
        (value != known).then(|| (selector_of(control), value))
    };
    let active = document().and_then(|document| document.active_element());
    let focused = active.filter(|active| part.contains(Some(active)));
    Held {
        opened: elements(part, "details[open]").iter().map(selector_of).collect(),
        typed: elements(part, CONTROLS).iter().filter_map(newer).collect(),
        focused: focused.map(|active| (selector_of(&active), selection(&active))),
    }
}

impl Held {
    /// Gives it to the part that has taken the place of the old one.
    pub(crate) fn give(self, part: &Element) {
        let find = |selector: &str| part.query_selector(selector).ok().flatten();
        for selector in self.opened {
            if let Some(details) = find(&selector) {
                let _ = details.set_attribute("open", "");
            }
        }
        for (selector, value) in self.typed {
            if let Some(control) = find(&selector) {
                set_value(&control, &value);
            }
        }
        let Some((selector, selection)) = self.focused else { return };
        // What was removed cannot be gone back to: the way to undo it can.
        let next = find(&selector).or_else(|| find(".undo button"));
        let Some(control) = next.and_then(|control| control.dyn_into::<HtmlElement>().ok()) else { return };
        let _ = control.focus();
        if let Some((start, end)) = selection {
            select(&control, start, end);
        }
    }
}

const CONTROLS: &str = "input:not([type=hidden]),textarea,select";

fn elements(within: &Element, selector: &str) -> Vec<Element> {
    let Ok(list) = within.query_selector_all(selector) else { return Vec::new() };
    (0..list.length()).filter_map(|i| list.item(i)?.dyn_into().ok()).collect()
}

/// Ticked or not of a box or radio, else the text of a control.
fn value_of(control: &Element) -> Option<String> {
    if let Some(input) = control.dyn_ref::<HtmlInputElement>() {
        return Some(if ticks(input) { tick(input.checked()) } else { input.value() });
    }
    if let Some(area) = control.dyn_ref::<HtmlTextAreaElement>() {
        return Some(area.value());
    }
    control.dyn_ref::<HtmlSelectElement>().map(HtmlSelectElement::value)
}

/// What the server rendered.
fn rendered(control: &Element) -> Option<String> {
    if let Some(input) = control.dyn_ref::<HtmlInputElement>() {
        return Some(if ticks(input) { tick(input.default_checked()) } else { input.default_value() });
    }
    if let Some(area) = control.dyn_ref::<HtmlTextAreaElement>() {
        return area.default_value().ok();
    }
    let chosen = control.query_selector("option[selected]").ok().flatten();
    let chosen = chosen.or_else(|| control.query_selector("option").ok().flatten());
    chosen.and_then(|option| option.get_attribute("value"))
}

fn set_value(control: &Element, value: &str) {
    if let Some(input) = control.dyn_ref::<HtmlInputElement>() {
        if !ticks(input) {
            input.set_value(value);
        } else if !input.disabled() {
            input.set_checked(value == tick(true));
        }
    } else if let Some(area) = control.dyn_ref::<HtmlTextAreaElement>() {
        area.set_value(value);
    } else if let Some(menu) = control.dyn_ref::<HtmlSelectElement>() {
        menu.set_value(value);
    }
}

fn ticks(input: &HtmlInputElement) -> bool {
    matches!(input.type_().as_str(), "radio" | "checkbox")
}

fn tick(on: bool) -> String {
    let text = if on { "1" } else { "" };
    text.to_owned()
}

/// Where the caret stands; not every kind of input tells.
fn selection(control: &Element) -> Option<(u32, u32)> {
    if let Some(area) = control.dyn_ref::<HtmlTextAreaElement>() {
        return area.selection_start().ok()?.zip(area.selection_end().ok()?);
    }
    let input = control.dyn_ref::<HtmlInputElement>()?;
    input.selection_start().ok()?.zip(input.selection_end().ok()?)
}

fn select(control: &HtmlElement, start: u32, end: u32) {
    if let Some(area) = control.dyn_ref::<HtmlTextAreaElement>() {
        let _ = area.set_selection_range(start, end);
    } else if let Some(input) = control.dyn_ref::<HtmlInputElement>() {
        let _ = input.set_selection_range(start, end);
    }
}

/// How to find the same element again: the line that it belongs to, and what it
/// is called there. Of buttons, radios and boxes of one name the value tells.
fn selector_of(element: &Element) -> String {
    let mut selector = String::new();
    if let Ok(Some(line)) = element.closest("[data-line]") {
        put_attribute(&mut selector, &line, "data-line");
    }
    let tag = element.tag_name().to_ascii_lowercase();
    selector.push(' ');
    selector.push_str(&tag);
    for name in ["id", "name", "type", "class"] {
        put_attribute(&mut selector, element, name);
    }
    let ticks = element.dyn_ref::<HtmlInputElement>().is_some_and(ticks);
    if tag == "button" || ticks {
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
