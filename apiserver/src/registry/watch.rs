//! A watch: what there is, what happens, and a sign of life now and then.

use crate::registry::options::{WatchEvent, WatchItem};

/// The events of one watcher, in the order of the store.
pub struct WatchStream {}

impl WatchStream {
    /// The next event, waiting for it. `None` when the store stops. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<WatchItem> {
        None
    }

    /// A bookmark at what has been seen so far, to be sent before the stream is closed, if the client takes bookmarks.
    pub fn last_bookmark(&self) -> Option<WatchEvent> {
        None
    }
}
