//! The unit of work of an import that is under way: while it is written, the next
//! one gathers. Only one at a time: what follows may need what it writes, must not
//! be written if it failed, and whoever else writes never waits for two.

use super::joined;
use crate::Result;
use tokio::task::JoinHandle;

/// The unit under way, and what it answers.
#[derive(Debug)]
pub(super) struct Writing<T>(Option<JoinHandle<Result<T>>>);

impl<T> Default for Writing<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Send + 'static> Writing<T> {
    /// Begins a unit, once the one before it has succeeded; answers what that one has done.
    pub async fn add(&mut self, unit: impl Future<Output = Result<T>> + Send + 'static) -> Result<Option<T>> {
        let done = self.finish().await?;
        self.0 = Some(tokio::spawn(unit));
        Ok(done)
    }

    /// Waits for the unit under way; `None` if there is none.
    pub async fn finish(&mut self) -> Result<Option<T>> {
        match self.0.take() {
            Some(unit) => unit.await.map_err(joined)?.map(Some),
            None => Ok(None),
        }
    }
}
