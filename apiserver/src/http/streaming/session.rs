//! A command that runs in a pod, as the API server sees it: messages to it, and messages from it.

use bytes::Bytes;
use tokio::sync::mpsc;

/// Bytes of one stream; the numbers are in `api::channels`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub channel: u8,
    pub bytes: Bytes,
}

/// The two directions. To drop the sender is to hang up; the receiver ends behind the message that says how the command ended.
pub struct Session {
    pub to_pod: mpsc::Sender<Message>,
    pub from_pod: mpsc::Receiver<Message>,
}

/// Which streams a client wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}
