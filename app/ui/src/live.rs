//! The live stream as signals: one event source, whose last message and state
//! an island can follow. In the browser only; the server never opens one.

use leptos::prelude::*;

/// How a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not open yet, or between two tries.
    Waiting,
    /// Messages come.
    Open,
    /// The page is hidden: closed until it is seen again.
    Paused,
}

/// A stream: its last message and its state.
#[derive(Clone, Copy)]
pub struct Live {
    /// Data of the last message.
    pub message: ReadSignal<Option<String>>,
    /// How the stream stands.
    pub status: ReadSignal<Status>,
}

/// Opens the stream at `url` and follows its events named `event` until the
/// current owner is dropped. Network errors are mended by the browser; a stream
/// that the server closed is opened again after 1, 2, 4 … 30 seconds; a hidden
/// page closes it, and a page that is seen again opens it anew, whose first
/// event is the full state. On the server: signals that never change.
pub fn follow(url: String, event: &'static str) -> Live {
    let (message, set_message) = signal(None);
    let (status, set_status) = signal(Status::Waiting);
    #[cfg(target_arch = "wasm32")]
    browser::start(url, event, set_message, set_status);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (url, event, set_message, set_status);
    Live { message, status }
}

#[cfg(target_arch = "wasm32")]
mod browser {
    use super::Status;
    use futures::StreamExt;
    use futures::future::{AbortHandle, Abortable};
    use gloo_net::eventsource::futures::EventSource;
    use leptos::prelude::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    const LONGEST_WAIT_S: u64 = 30;

    struct Stream {
        url: String,
        event: &'static str,
        message: WriteSignal<Option<String>>,
        status: WriteSignal<Status>,
        running: Option<AbortHandle>,
        wait_s: u64,
    }

    pub(super) fn start(
        url: String,
        event: &'static str,
        message: WriteSignal<Option<String>>,
        status: WriteSignal<Status>,
    ) {
        let stream = Rc::new(RefCell::new(Stream { url, event, message, status, running: None, wait_s: 1 }));
        if !hidden() {
            open(&stream);
        }
        let seen = Rc::clone(&stream);
        let handle = window_event_listener_untyped("visibilitychange", move |_| turn(&seen));
        // `visibilitychange` bubbles from the document to the window; a page that
        // comes back from the back-forward cache says `pageshow`.
        let shown = Rc::clone(&stream);
        let back = window_event_listener_untyped("pageshow", move |_| turn(&shown));
        let handles = leptos::__reexports::send_wrapper::SendWrapper::new((handle, back, stream));
        on_cleanup(move || {
            let (handle, back, stream) = handles.take();
            handle.remove();
            back.remove();
            close(&stream);
        });
    }

    fn hidden() -> bool {
        document().visibility_state() == web_sys::VisibilityState::Hidden
    }

    fn turn(stream: &Rc<RefCell<Stream>>) {
        if hidden() {
            close(stream);
            let _ = stream.borrow().status.try_set(Status::Paused);
        } else if stream.borrow().running.is_none() {
            stream.borrow_mut().wait_s = 1;
            open(stream);
        }
    }

    fn close(stream: &Rc<RefCell<Stream>>) {
        if let Some(running) = stream.borrow_mut().running.take() {
            running.abort();
        }
    }

    fn open(stream: &Rc<RefCell<Stream>>) {
        close(stream);
        let (handle, registration) = AbortHandle::new_pair();
        stream.borrow_mut().running = Some(handle);
        let own = Rc::clone(stream);
        // Aborting drops the source, and dropping it closes the connection.
        let work = Abortable::new(async move { read(&own).await }, registration);
        let again = Rc::clone(stream);
        leptos::task::spawn_local(async move {
            if work.await.is_ok() {
                wait_and_open(&again);
            }
        });
    }

    /// Reads until the browser gives the source up.
    async fn read(stream: &Rc<RefCell<Stream>>) {
        let (url, event, message, status) = {
            let s = stream.borrow();
            (s.url.clone(), s.event, s.message, s.status)
        };
        let Ok(mut source) = EventSource::new(&url) else { return };
        let Ok(mut events) = source.subscribe(event) else { return };
        while let Some(next) = events.next().await {
            if let Ok((_, text)) = next {
                stream.borrow_mut().wait_s = 1;
                let _ = status.try_set(Status::Open);
                let _ = message.try_set(text.data().as_string());
                continue;
            }
            let _ = status.try_set(Status::Waiting);
            // Else the browser itself tries again.
            if source.state() == gloo_net::eventsource::State::Closed {
                return;
            }
        }
    }

    fn wait_and_open(stream: &Rc<RefCell<Stream>>) {
        let wait_s = {
            let mut s = stream.borrow_mut();
            s.running = None;
            let now = s.wait_s;
            s.wait_s = (now * 2).min(LONGEST_WAIT_S);
            now
        };
        let again = Rc::clone(stream);
        set_timeout(
            move || {
                if !hidden() && again.borrow().running.is_none() {
                    open(&again);
                }
            },
            Duration::from_secs(wait_s),
        );
    }
}
