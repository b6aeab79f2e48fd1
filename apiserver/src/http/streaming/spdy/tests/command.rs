//! Commands: the whole conversation, in each version.

use std::time::Duration;

use api::channels::{CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::client::Client;
use crate::http::streaming::session::{Message, Session, Wanted};
use crate::http::streaming::spdy::command::{self, Version};

const ALL: Wanted = Wanted { stdin: true, stdout: true, stderr: true, tty: false };

/// The pod's side of a command.
struct Pod {
    received: mpsc::Receiver<Message>,
    sender: mpsc::Sender<Message>,
}

impl Pod {
    async fn next(&mut self) -> (u8, Bytes) {
        let message = self.received.recv().await.unwrap();
        (message.channel, message.bytes)
    }

    async fn send(&self, channel: u8, bytes: &'static [u8]) {
        self.sender.send(Message { channel, bytes: Bytes::from_static(bytes) }).await.unwrap();
    }
}

fn start(version: Version, wanted: Wanted) -> (Client, Pod, JoinHandle<()>) {
    let (client, far) = Client::new();
    let (to_pod, received) = mpsc::channel(4);
    let (sender, from_pod) = mpsc::channel(4);
    let serving = tokio::spawn(command::serve(Box::new(far), version, wanted, Session { to_pod, from_pod }));
    (client, Pod { received, sender }, serving)
}

async fn open<const N: usize>(client: &mut Client, kinds: [&str; N]) -> [u32; N] {
    let mut ids = [0; N];
    for (id, kind) in ids.iter_mut().zip(kinds) {
        *id = client.open(&[("streamtype", kind)]).await;
        client.until(*id, |received| received.is_replied).await;
    }
    ids
}

#[tokio::test]
async fn a_command_in_version_four() {
    let (mut client, mut pod, serving) = start(Version::V4, ALL);
    // As Go's client compresses them; see the tests of headers.
    let mut ids = Vec::new();
    for block in [
        "78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff",
        "c22e555c02cc2e00000000ffff",
        "c22a054ce729f9a52500000000ffff",
        "c229073414000000ffff",
    ] {
        let id = client.open_with(hex::decode(block).unwrap().into()).await;
        client.until(id, |received| received.is_replied).await;
        ids.push(id);
    }
    let [error, stdin, stdout, stderr] = ids[..] else { panic!("{ids:?}") };
    client.finish(error).await;
    client.send(stdin, b"one ").await;
    client.send(stdin, b"two").await;
    assert_eq!(pod.next().await, (STDIN, "one ".into()));
    assert_eq!(pod.next().await, (STDIN, "two".into()));
    pod.send(STDOUT, b"out").await;
    pod.send(STDERR, b"err").await;
    client.until(stderr, |received| received.bytes == b"err").await;
    client.finish(stdin).await;
    assert_eq!(pod.next().await, (CLOSE, Bytes::from_static(&[STDIN])));
    pod.send(STDOUT, b"put").await;
    let status = r#"{"status":"Failure","reason":"NonZeroExitCode"}"#;
    pod.send(ERROR, status.as_bytes()).await;
    assert_eq!(client.all_of(stdout).await, "output");
    assert_eq!(client.all_of(stderr).await, "err");
    assert_eq!(client.all_of(error).await, status);
    assert!(pod.received.recv().await.is_none(), "the pod is let go");
    assert!(!client.gone_away && !serving.is_finished(), "the client closes the connection");
    client.hang_up();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_command_in_version_one_says_only_why_it_failed() {
    let failure: &[u8] = br#"{"status":"Failure","message":"exit code 7"}"#;
    for (status, told) in [(failure, "exit code 7"), (br#"{"status":"Success"}"#, "")] {
        let wanted = Wanted { stdout: true, stderr: true, ..Wanted::default() };
        let (mut client, pod, serving) = start(Version::V1, wanted);
        let [stdout, error, stderr] = open(&mut client, ["stdout", "error", "stderr"]).await;
        pod.send(STDOUT, b"out").await;
        pod.send(ERROR, status).await;
        assert_eq!(client.all_of(error).await, told);
        assert_eq!(client.all_of(stdout).await, "out");
        assert_eq!(client.all_of(stderr).await, "");
        client.hang_up();
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn a_terminal_has_sizes_and_no_stderr() {
    let (mut client, mut pod, _serving) = start(Version::V3, Wanted { tty: true, ..ALL });
    let [error, stdin, stdout, resize] = open(&mut client, ["error", "stdin", "stdout", "resize"]).await;
    client.send(resize, b"{\"Width\":80,").await;
    client.send(stdin, b"x").await;
    assert_eq!(pod.next().await, (STDIN, "x".into()));
    client.send(resize, b"\"Height\":24}\n{\"Width\":1,\"Height\":2}\n").await;
    assert_eq!(pod.next().await, (RESIZE, r#"{"Width":80,"Height":24}"#.into()));
    assert_eq!(pod.next().await, (RESIZE, r#"{"Width":1,"Height":2}"#.into()));
    // What is no size ends the sizes, not the command.
    client.send(resize, b"what?").await;
    client.send(stdin, b"y").await;
    assert_eq!(pod.next().await, (STDIN, "y".into()));
    pod.send(STDERR, b"nowhere to go").await;
    pod.send(STDOUT, b"out").await;
    pod.send(ERROR, br#"{"status":"Success"}"#).await;
    assert_eq!(client.all_of(stdout).await, "out");
    assert_eq!(client.all_of(error).await, "");
    assert_eq!(client.of(stdin).reset, Some(5));
    assert_eq!(client.of(resize).reset, Some(5));
}

#[tokio::test]
async fn a_terminal_in_version_two_has_no_sizes() {
    let wanted = Wanted { stdout: true, tty: true, ..Wanted::default() };
    let (mut client, pod, _serving) = start(Version::V2, wanted);
    let [_error, stdout] = open(&mut client, ["error", "stdout"]).await;
    pod.send(STDOUT, b"out").await;
    client.until(stdout, |received| received.bytes == b"out").await;
}

#[tokio::test]
async fn streams_that_are_not_wanted_are_reset() {
    let (mut client, pod, _serving) = start(Version::V4, Wanted { stdout: true, ..Wanted::default() });
    let [stdout, stdin, again, strange] = open(&mut client, ["stdout", "stdin", "stdout", "strange"]).await;
    for stream in [stdin, again, strange] {
        assert_eq!(client.until_reset(stream).await, 3);
    }
    open(&mut client, ["error"]).await;
    pod.send(STDOUT, b"out").await;
    client.until(stdout, |received| received.bytes == b"out").await;
}

#[tokio::test]
async fn output_that_the_client_resets_does_not_end_the_command() {
    let (mut client, pod, _serving) = start(Version::V4, Wanted { stdin: false, ..ALL });
    let [error, stdout, stderr] = open(&mut client, ["error", "stdout", "stderr"]).await;
    client.reset(stdout).await;
    for _ in 0..100 {
        pod.send(STDOUT, b"nobody reads this").await;
    }
    pod.send(STDERR, b"err").await;
    pod.send(ERROR, b"{}").await;
    assert_eq!(client.all_of(stderr).await, "err");
    assert_eq!(client.all_of(error).await, "{}");
}

#[tokio::test]
async fn a_pod_may_end_its_output_before_the_command() {
    let (mut client, pod, _serving) = start(Version::V4, Wanted { stdin: false, ..ALL });
    let [_error, stdout, stderr] = open(&mut client, ["error", "stdout", "stderr"]).await;
    pod.send(STDOUT, b"out").await;
    pod.send(CLOSE, &[STDOUT]).await;
    assert_eq!(client.all_of(stdout).await, "out");
    assert!(!client.of(stderr).is_finished);
}

#[tokio::test]
async fn a_pod_that_hangs_up_is_a_failure() {
    let (mut client, pod, _serving) = start(Version::V4, ALL);
    let [error, _, stdout, _] = open(&mut client, ["error", "stdin", "stdout", "stderr"]).await;
    drop(pod);
    let status: serde_json::Value = serde_json::from_str(&client.all_of(error).await).unwrap();
    assert_eq!(status["status"], "Failure");
    assert_eq!(client.all_of(stdout).await, "");
}

#[tokio::test]
async fn a_client_that_hangs_up_lets_the_pod_go() {
    let (mut client, mut pod, serving) = start(Version::V4, ALL);
    open(&mut client, ["error", "stdin", "stdout", "stderr"]).await;
    client.hang_up();
    assert!(pod.received.recv().await.is_none());
    assert!(pod.sender.is_closed());
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_has_half_a_minute_to_open_its_streams() {
    let (mut client, mut pod, serving) = start(Version::V4, ALL);
    open(&mut client, ["error", "stdin"]).await;
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert!(!serving.is_finished());
    client.until_end().await;
    assert!(client.gone_away);
    assert!(pod.received.recv().await.is_none());
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_close_is_closed_in_the_end() {
    let (mut client, pod, serving) = start(Version::V4, Wanted { stdout: true, ..Wanted::default() });
    let [error, _] = open(&mut client, ["error", "stdout"]).await;
    pod.send(ERROR, b"{}").await;
    client.all_of(error).await;
    let begin = tokio::time::Instant::now();
    client.until_end().await;
    assert_eq!(begin.elapsed().as_secs(), 15 * 60);
    serving.await.unwrap();
}
