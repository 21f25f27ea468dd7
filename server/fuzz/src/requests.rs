//! Requests to the whole shop: pages with odd addresses and headers, the forms
//! of server functions, the API of the tills.

use crate::front::{Answer, Front};
use crate::world::Kept;
use app::api::access::ACCESS;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use serde_json::Value;
use std::cell::Cell;
use std::rc::Rc;

/// A shop is used for so many inputs.
const INPUTS: u32 = 10_000;
/// After so many, the books are looked through.
const CHECK_EVERY: u32 = 500;

thread_local! {
    static FRONT: Kept<Front> = const { Kept::for_inputs(INPUTS) };
    static SINCE_CHECK: Cell<u32> = const { Cell::new(0) };
}

fn front() -> Rc<Front> {
    FRONT.with(|front| front.get(Front::new))
}

/// Looks through the books now and then.
fn check_books(front: &Front) {
    let since = SINCE_CHECK.get() + 1;
    SINCE_CHECK.set(since % CHECK_EVERY);
    if since == CHECK_EVERY {
        front.world.check();
    }
}

/// A page or a stream: the first byte says who asks and how, the first line is
/// the address, the others are headers.
///
/// # Panics
/// If a rule is broken: a finding.
pub fn page(data: &[u8]) {
    const HEADERS: [HeaderName; 4] =
        [header::ACCEPT_LANGUAGE, header::COOKIE, HeaderName::from_static("last-event-id"), header::REFERER];
    let Some((&choice, rest)) = data.split_first() else { return };
    let front = front();
    let mut lines = rest.split(|byte| *byte == b'\n');
    let address = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let Ok(uri) = front.resolve(&address).parse::<Uri>() else { return };
    if !uri.path().starts_with('/') || uri.authority().is_some() {
        return;
    }
    let method = if choice & 2 == 0 { Method::GET } else { Method::HEAD };
    let mut request = Request::builder().method(method).uri(uri).body(Body::empty()).expect("a request");
    for (name, value) in HEADERS.into_iter().zip(lines) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            request.headers_mut().append(name, value);
        }
    }
    if choice & 1 == 1 {
        request.headers_mut().append(header::COOKIE, HeaderValue::from_str(&front.cookie).expect("a cookie"));
    }
    front.ask(request).check();
}

/// A server function: the first byte says which, the second who calls it and
/// how, the rest are its arguments.
///
/// # Panics
/// If a rule is broken: a finding.
pub fn form(data: &[u8]) {
    let &[which, how, ref arguments @ ..] = data else { return };
    let front = front();
    let path = ACCESS[usize::from(which) % ACCESS.len()].0;
    let arguments = front.resolve(&String::from_utf8_lossy(arguments));
    let mut request = if path == "/api/catalogue/suggest" {
        let Ok(uri) = format!("{path}?{arguments}").parse::<Uri>() else { return };
        Request::get(uri)
    } else {
        Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    };
    let html = how & 2 == 2;
    request = request
        .header(header::ACCEPT, if html { "text/html" } else { "application/json" })
        .header(header::REFERER, format!("{}/basket?added=1", crate::front::HERE));
    // Whoever signs out is a guest: the member is needed by the inputs to come.
    if how & 1 == 1 && !path.ends_with("/sign_out") {
        request = request.header(header::COOKIE, &front.cookie);
    }
    front.ask(request.body(Body::from(arguments)).expect("a request")).check();
    check_books(&front);
}

/// The tills' API: the first byte says what is told and by whom.
///
/// # Panics
/// If a rule is broken: a finding.
pub fn feed(data: &[u8]) {
    const TOLD: [&str; 4] = ["snapshots", "sales", "receipts", "rumours"];
    let Some((&choice, body)) = data.split_first() else { return };
    let front = front();
    let token = if choice & 4 == 0 { front.token.clone() } else { "zj_0".to_owned() };
    let body = String::from_utf8_lossy(body).into_owned();
    let why = choice & 8 == 8;
    let told = TOLD[usize::from(choice & 3)];
    let uri = if why { format!("/api/v1/why?{body}") } else { format!("/api/v1/feed/{told}") };
    let Ok(uri) = uri.parse::<Uri>() else { return };
    let send = || {
        let request = if why { Request::get(&uri) } else { Request::post(&uri) };
        let request = request
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        front.ask(request.body(Body::from(body.clone())).expect("a request"))
    };
    let answer = send();
    answer.check();
    assert!(choice & 4 == 0 || answer.status != StatusCode::OK, "nobody without a token is heard");
    if answer.status == StatusCode::OK && !why {
        accounted(&body, &answer);
        let again = send();
        assert_eq!(answer.body, again.body, "the same batch is answered the same");
    }
    check_books(&front);
}

/// Every row of a batch is in the answer, once.
fn accounted(body: &str, answer: &Answer) {
    let sent: Value = serde_json::from_str(body).expect("it was read");
    let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let count = |name: &str| told[name].as_u64().expect("a number");
    let bad = told["bad"].as_array().expect("a list").len() as u64;
    let rows = sent["rows"].as_array().expect("rows").len() as u64;
    assert_eq!(count("applied") + count("repeated") + count("late") + bad, rows, "{body} {told}");
}
