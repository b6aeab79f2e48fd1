//! The engine that keeps nothing: for tests and throw-away clusters. No thread, no clock, no chance.

use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::Context;
use async_trait::async_trait;

use crate::storage::engine::{Change, DecidedWrite, Engine, Feed, Outcome};
use crate::storage::object::Revision;

/// A store that ends with its process.
#[derive(Default)]
pub struct Memory {
    feed: OnceLock<Feed>,
    /// The last revision given out.
    revision: Mutex<u64>,
}

/// An empty store is at a revision too: 0 means "any" to clients.
const FIRST: u64 = 1;

#[async_trait]
impl Engine for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn open(&self, feed: Feed) -> Result<(), anyhow::Error> {
        feed.load(&mut std::iter::empty(), Revision(FIRST))?;
        *self.revision.lock().unwrap_or_else(PoisonError::into_inner) = FIRST;
        anyhow::ensure!(self.feed.set(feed).is_ok(), "the engine is open already");
        Ok(())
    }

    async fn commit(&self, batch: Vec<DecidedWrite>) -> Result<Vec<Outcome>, anyhow::Error> {
        let feed = self.feed.get().context("the engine is not open")?;
        let mut revision = self.revision.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = batch.into_iter().map(|write| {
            *revision += 1;
            Change { key: write.key, revision: Revision(*revision), draft: write.draft, volatile: write.volatile }
        });
        let changes = changes.collect();
        Ok(feed.publish(changes).into_iter().map(Outcome::Committed).collect())
    }

    async fn close(&self) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::storage::contract;

    #[tokio::test(start_paused = true)]
    async fn the_contract_holds() {
        contract::holds(|| Arc::new(Memory::default())).await;
    }
}
