//! Tasks of one page that wait for each other.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Runs tasks one after another, in the order in which they came.
#[derive(Clone, Default)]
pub(crate) struct Turns {
    waiting: Rc<RefCell<VecDeque<Task>>>,
    running: Rc<Cell<bool>>,
}

impl Turns {
    /// Runs `task` when those before it are done.
    pub(crate) fn take(&self, task: impl Future<Output = ()> + 'static) {
        self.waiting.borrow_mut().push_back(Box::pin(task));
        if self.running.replace(true) {
            return;
        }
        let own = self.clone();
        leptos::task::spawn_local(async move {
            while let Some(task) = own.next() {
                task.await;
            }
            own.running.set(false);
        });
    }

    fn next(&self) -> Option<Task> {
        self.waiting.borrow_mut().pop_front()
    }
}
