//! A watch: what there is, what happens, and a sign of life now and then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use api::failure::Failure;
use api::field::{FieldError, FieldErrors, Path};
use api::well_known::annotation;
use bytes::Bytes;
use tokio::time::Instant;

use crate::kinds::erased::KindRef;
use crate::registry::Registry;
use crate::registry::options::{EventType, ListOptions, WatchEvent, WatchItem};
use crate::registry::read::{self, MATCH_WITH_CONTINUE, NEWER, refuse_options, revision, storage_stopped};
use crate::registry::selection::Selection;
use crate::storage::event::{Event, EventKind};
use crate::storage::object::{Key, Object, Revision};
use crate::storage::watch::{TooOld, Watch, WatchEnd};

const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// The events of one watcher, in the order of the store.
pub struct WatchStream {
    kind: KindRef,
    namespace: Option<Arc<str>>,
    selection: Selection,
    watch: Watch,
    /// What is ready to be sent, before anything that `watch` has.
    ready: VecDeque<WatchEvent>,
    bookmarks: Option<Bookmarks>,
    has_ended: bool,
}

/// Present if the client takes bookmarks.
struct Bookmarks {
    next: Instant,
    /// What the client knows already.
    told: Revision,
}

impl Registry {
    pub(super) fn start_watch(
        &self,
        kind: KindRef,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<WatchStream, Failure> {
        check_options(options)?;
        let selection = Selection::of(kind, options)?;
        let asked = revision(&options.resource_version)?;
        let snapshot = self.storage.snapshot();
        // Without a revision the state comes first; with one only if it is asked for.
        let with_state = options.send_initial_events.unwrap_or(asked.is_none());
        let mut start = snapshot.revision();
        if let Some(asked) = asked {
            if with_state && asked > start {
                return Err(Failure::too_large(asked.0, start.0));
            }
            if !with_state {
                start = asked;
            }
        }
        let scope = selection.scope(namespace, kind.facts().namespaced);
        let watch = self.storage.watch_scope(kind.storage(), scope, start);
        let watch = watch.map_err(|TooOld { oldest }| Failure::too_old(start.0, oldest.0))?;
        let bookmarks =
            options.allow_watch_bookmarks.then(|| Bookmarks { next: Instant::now() + BOOKMARK_EVERY, told: start });
        let mut stream = WatchStream {
            kind,
            namespace: namespace.map(Arc::from),
            selection,
            watch,
            ready: VecDeque::new(),
            bookmarks,
            has_ended: false,
        };
        if with_state {
            let namespace = namespace.or(stream.selection.namespace());
            for object in snapshot.list(kind.storage(), namespace).filter(|object| stream.selection.matches(object)) {
                let object = read::view(kind, object.clone())?;
                stream.ready.push_back(WatchEvent { event_type: EventType::Added, object });
            }
            if options.send_initial_events == Some(true) && options.allow_watch_bookmarks {
                stream.ready.push_back(bookmark(kind, start, true));
            }
        }
        Ok(stream)
    }
}

impl WatchStream {
    /// The next event, waiting for it. `None` when there will be none. Cancelling loses nothing.
    pub async fn next(&mut self) -> Option<WatchItem> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.has_ended {
                return None;
            }
            let deadline = self.bookmarks.as_ref().map(|bookmarks| bookmarks.next);
            let events = match deadline {
                None => self.watch.next().await,
                Some(deadline) => match tokio::time::timeout_at(deadline, self.watch.next()).await {
                    Ok(events) => events,
                    Err(_) => {
                        self.bookmark_when_due();
                        continue;
                    }
                },
            };
            if let Err(failure) = self.take(events) {
                self.has_ended = true;
                return Some(Err(failure));
            }
        }
    }

    /// The next event if it is there already: those who write many in one go ask for it after `next`.
    pub fn try_next(&mut self) -> Option<WatchEvent> {
        self.ready.pop_front()
    }

    /// A bookmark at what has been seen so far, to be sent before the stream is closed, if the client takes bookmarks.
    pub fn last_bookmark(&mut self) -> Option<WatchEvent> {
        if !self.ready.is_empty() {
            return None;
        }
        self.bookmarks.as_ref()?;
        Some(bookmark(self.kind, self.watch.position(), false))
    }

    fn bookmark_when_due(&mut self) {
        let position = self.watch.position();
        let Some(bookmarks) = &mut self.bookmarks else { return };
        bookmarks.next = Instant::now() + BOOKMARK_EVERY;
        if position > bookmarks.told {
            bookmarks.told = position;
            self.ready.push_back(bookmark(self.kind, position, false));
        }
    }

    fn take(&mut self, events: Result<Vec<Arc<Event>>, WatchEnd>) -> Result<(), Failure> {
        let events = events.map_err(|end| match end {
            WatchEnd::TooOld(TooOld { oldest }) => Failure::too_old(self.watch.position().0, oldest.0),
            WatchEnd::Closed => storage_stopped(),
        })?;
        for event in events {
            if let Some(event) = self.seen(&event)? {
                self.ready.push_back(event);
            }
        }
        Ok(())
    }

    /// An event as this watcher sees it: what leaves its selection is gone for it, what enters is new.
    fn seen(&self, event: &Event) -> Result<Option<WatchEvent>, Failure> {
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != event.object.key.namespace) {
            return Ok(None);
        }
        let is_in = self.selection.matches(&event.object);
        let was_in = event.previous.as_ref().is_some_and(|previous| self.selection.matches(previous));
        let (event_type, object) = match (event.kind, was_in, is_in) {
            (EventKind::Deleted, _, true) => (EventType::Deleted, event.object.clone()),
            (EventKind::Added, _, true) | (EventKind::Modified, false, true) => {
                (EventType::Added, event.object.clone())
            }
            (EventKind::Modified, true, true) => (EventType::Modified, event.object.clone()),
            (EventKind::Modified, true, false) => {
                let Some(previous) = &event.previous else { return Ok(None) };
                (EventType::Deleted, Arc::new(previous.at(event.revision)))
            }
            (_, _, false) => return Ok(None),
        };
        Ok(Some(WatchEvent { event_type, object: read::view(self.kind, object)? }))
    }
}

/// An event that says only up to where everything has been seen.
fn bookmark(kind: KindRef, revision: Revision, ends_initial_events: bool) -> WatchEvent {
    let facts = kind.facts();
    let annotations = if ends_initial_events {
        format!(r#","annotations":{{"{}":"true"}}"#, annotation::INITIAL_EVENTS_END)
    } else {
        String::new()
    };
    let json = format!(
        r#"{{"apiVersion":"{}","kind":"{}","metadata":{{"resourceVersion":"{revision}"{annotations}}}}}"#,
        facts.api_version(),
        facts.kind
    );
    let key = Key::new(kind.storage(), "", "");
    let object = Object::unstored(key, revision, Bytes::from(json)).expect("a bookmark is an object");
    WatchEvent { event_type: EventType::Bookmark, object: Arc::new(object) }
}

fn check_options(options: &ListOptions) -> Result<(), Failure> {
    let mut errors = FieldErrors::default();
    let path = Path::new("resourceVersionMatch");
    let matching = options.resource_version_match.as_str();
    if options.send_initial_events.is_some() && matching != NEWER {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        errors.push(FieldError::forbidden(&path, why));
    }
    if !matching.is_empty() {
        if options.send_initial_events.is_none() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(FieldError::forbidden(&path, why));
        }
        if matching != NEWER {
            errors.push(FieldError::not_supported(&path, matching, &[NEWER]));
        }
        if !options.continue_token.is_empty() {
            errors.push(FieldError::forbidden(&path, MATCH_WITH_CONTINUE));
        }
    }
    refuse_options(errors)
}
