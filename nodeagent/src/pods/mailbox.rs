//! What reaches a pod's worker from outside: at rest it is a few pointers.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::pods::mirror::Mirror;
use crate::pods::stored::Stored;
use crate::runtime::interface::Exit;

/// Something that happened to a container.
#[derive(Debug, Clone)]
pub enum Outcome {
    Exited(Exit),
    Probed {
        container: String,
        id: String,
        verdict: Verdict,
    },
    PostStartDone {
        container: String,
        id: String,
        problem: Option<String>,
    },
    PreStopDone {
        container: String,
        id: String,
    },
    /// Something that the pod refers to has changed.
    ReferencesChanged,
}

/// What the probes of a container have come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Started,
    Ready,
    Unready,
    /// It has to be restarted.
    Dead {
        message: String,
        grace_seconds: Option<i64>,
    },
}

/// What waits for the worker. The newest object replaces an older one; outcomes are bounded by the pod's own
/// containers, each of which has one start, one end, and probes that report only a change.
#[derive(Debug, Default)]
pub struct Mail {
    pub object: Option<Stored>,
    /// The mirror of a static pod, if there is news of it.
    pub mirror: Option<Mirror>,
    /// The pod's object, or a static pod's file, is gone.
    pub is_gone: bool,
    pub outcomes: Vec<Outcome>,
}

#[derive(Debug, Default)]
pub struct Mailbox {
    mail: Mutex<Mail>,
    arrived: Notify,
    /// The pod with the status that it has, for those who ask from outside.
    shown: Mutex<Option<Stored>>,
}

impl Mailbox {
    pub fn post(&self, change: impl FnOnce(&mut Mail)) {
        change(&mut self.mail.lock().unwrap_or_else(PoisonError::into_inner));
        self.arrived.notify_one();
    }

    pub fn post_outcome(&self, outcome: Outcome) {
        self.post(|mail| mail.outcomes.push(outcome));
    }

    pub fn take(&self) -> Mail {
        std::mem::take(&mut self.mail.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Resolves when something was posted since the last time.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub fn show(&self, pod: Stored) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(pod);
    }

    pub fn shown(&self) -> Option<Stored> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the runtime reports the ends of the containers.
    pub fn exit_sink(self: &Arc<Self>) -> crate::runtime::interface::ExitSink {
        let mailbox = Arc::clone(self);
        Arc::new(move |exit| mailbox.post_outcome(Outcome::Exited(exit)))
    }
}
