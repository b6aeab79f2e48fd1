//! Commands, main processes and ports of pods, asked for over the way back.

use std::net::IpAddr;
use std::time::Duration;

use api::channels::{CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
use tokio_util::io::StreamReader;

use crate::life_tests::{Setup, WayBack, is_running, marked, shell};
use crate::runtime::RuntimeKind;

/// A request whose body goes on after the answer has begun.
struct Talk {
    to_pod: Option<mpsc::Sender<Bytes>>,
    code: StatusCode,
    answer: hyper::body::Incoming,
}

impl WayBack {
    async fn talk(&mut self, path: &str) -> Talk {
        let (to_pod, receiver) = mpsc::channel::<Bytes>(4);
        let pieces = futures::stream::unfold(receiver, |mut receiver| async move {
            let piece = receiver.recv().await?;
            Some((std::io::Result::Ok(piece), receiver))
        });
        let request = http::Request::post(format!("http://node{path}")).body(Body::from_stream(pieces)).unwrap();
        let (parts, answer) = self.0.send_request(request).await.unwrap().into_parts();
        Talk { to_pod: Some(to_pod), code: parts.status, answer }
    }

    /// The code of an answer that is a text.
    async fn post(&mut self, path: &str) -> (u16, String) {
        let talk = self.talk(path).await;
        let text = talk.answer.collect().await.unwrap().to_bytes();
        (talk.code.as_u16(), String::from_utf8(text.to_vec()).unwrap())
    }

    async fn messages(&mut self, path: &str) -> Messages {
        let talk = self.talk(path).await;
        assert_eq!(talk.code, 200, "{path}");
        let bytes = StreamReader::new(
            Body::new(talk.answer).into_data_stream().map(|piece| piece.map_err(std::io::Error::other)),
        );
        let from_pod = FramedRead::new(bytes, LengthDelimitedCodec::new()).boxed();
        Messages { to_pod: talk.to_pod, from_pod }
    }
}

/// A talk in messages.
struct Messages {
    to_pod: Option<mpsc::Sender<Bytes>>,
    from_pod: BoxStream<'static, std::io::Result<BytesMut>>,
}

impl Messages {
    async fn send(&self, channel: u8, bytes: &[u8]) {
        let length = u32::try_from(bytes.len() + 1).unwrap().to_be_bytes();
        let message = [&length[..], &[channel], bytes].concat();
        self.to_pod.as_ref().unwrap().send(message.into()).await.unwrap();
    }

    /// Reads until this has come on a channel.
    async fn wait_for(&mut self, channel: u8, text: &str) {
        let mut seen = String::new();
        while !seen.contains(text) {
            let message = self.from_pod.next().await.expect("the text comes before the end").unwrap();
            if message[0] == channel {
                seen.push_str(std::str::from_utf8(&message[1..]).unwrap());
            }
        }
    }

    /// All that still comes: output, errors, and how it ended, behind which nothing is.
    async fn rest(&mut self) -> (String, String, Value) {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        loop {
            let message = self.from_pod.next().await.expect("a status comes before the end").unwrap();
            let (channel, bytes) = message.split_first().unwrap();
            match *channel {
                STDOUT => output.extend_from_slice(bytes),
                STDERR => errors.extend_from_slice(bytes),
                ERROR => {
                    assert!(self.from_pod.next().await.is_none());
                    let text = |bytes| String::from_utf8(bytes).unwrap();
                    return (text(output), text(errors), serde_json::from_slice(bytes).unwrap());
                }
                other => panic!("a message of {other}"),
            }
        }
    }
}

fn success() -> Value {
    json!({ "metadata": {}, "status": "Success" })
}

fn command(words: &[&str]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for word in words {
        query.append_pair("command", word);
    }
    query.finish()
}

fn exec(pod: &str, script: &str, streams: &str) -> String {
    format!("/exec/default/{pod}/main?{}&{streams}", command(&["sh", "-c", script]))
}

/// A pod that does nothing, and carries this word in its environment.
async fn idle(setup: &Setup, name: &str) -> WayBack {
    setup.start().await;
    let mut spec = shell("exec sleep 1000");
    spec["containers"][0]["env"] = json!([{ "name": "MARK", "value": format!("streams-{name}") }]);
    setup.api.create_pod(name, "node-1", spec);
    setup.eventually("the pod runs", name, is_running).await;
    setup.way_back().await
}

async fn end(setup: &Setup, name: &str) {
    setup.api.delete_pod(name, 1, setup.clock.now());
    setup.eventually("the pod is gone", name, Value::is_null).await;
    setup.until("no process is left", || marked(&format!("MARK=streams-{name}")) == 0).await;
}

#[tokio::test]
async fn a_client_talks_with_a_command() {
    let setup = Setup::new(RuntimeKind::Process);
    let mut way_back = idle(&setup, "talk").await;
    let path = exec("talk", "cat; echo err >&2; exit 3", "input=true&output=true&error=true");
    let mut talk = way_back.messages(&path).await;
    talk.send(STDIN, b"one\n").await;
    talk.wait_for(STDOUT, "one\n").await;
    talk.send(STDIN, b"two").await;
    talk.send(CLOSE, &[STDIN]).await;
    let (output, errors, status) = talk.rest().await;
    assert_eq!((output.as_str(), errors.as_str()), ("two", "err\n"));
    let causes = json!([{ "reason": "ExitCode", "message": "3" }]);
    assert_eq!((&status["reason"], &status["details"]["causes"]), (&json!("NonZeroExitCode"), &causes));

    // The end of what the client sends is the end of the input, and no more.
    let mut talk = way_back.messages(&exec("talk", "cat; sleep 0.2; echo end", "input=1&output=1")).await;
    talk.to_pod = None;
    assert_eq!(talk.rest().await, ("end\n".to_owned(), String::new(), success()));

    // Much goes both ways, and what nobody wants is not in the way.
    let mut talk = way_back.messages(&exec("talk", "seq 100000 >&2; cat", "input=1&output=1")).await;
    let sent = "0123456789abcdef".repeat(64 * 1024);
    let sender = talk.to_pod.take();
    let feed = async {
        let half = Messages { to_pod: sender, from_pod: futures::stream::empty().boxed() };
        for piece in sent.as_bytes().chunks(30_000) {
            half.send(STDIN, piece).await;
        }
    };
    let ((), (output, _, status)) = tokio::join!(feed, talk.rest());
    assert!(output == sent && status == success(), "{} bytes, {status}", output.len());
    end(&setup, "talk").await;
}

#[tokio::test]
async fn clients_of_commands_that_do_not_listen_hold_up_nobody() {
    let setup = Setup::new(RuntimeKind::Process);
    let mut way_back = idle(&setup, "stuck").await;
    let mut stuck = Vec::new();
    for _ in 0..3 {
        let talk = way_back.messages(&exec("stuck", "sleep 1000", "input=1&output=1")).await;
        let much = vec![0; 64 * 1024];
        while tokio::time::timeout(Duration::from_millis(300), talk.send(STDIN, &much)).await.is_ok() {}
        stuck.push(talk);
    }
    let mut talk = way_back.messages(&exec("stuck", "cat", "input=1&output=1")).await;
    talk.send(STDIN, b"one").await;
    talk.send(CLOSE, &[STDIN]).await;
    let answer = tokio::time::timeout(Duration::from_secs(20), talk.rest()).await.expect("nothing is in the way");
    assert_eq!(answer, ("one".to_owned(), String::new(), success()));
    drop(stuck);
    end(&setup, "stuck").await;
}

#[tokio::test]
async fn a_client_may_bring_a_terminal() {
    let setup = Setup::new(RuntimeKind::Process);
    let mut way_back = idle(&setup, "tty").await;
    let path = exec("tty", "test -t 0 && read x && stty size; cat", "input=true&output=true&error=true&tty=true");
    let mut talk = way_back.messages(&path).await;
    talk.send(RESIZE, br#"{"Width":91,"Height":33}"#).await;
    talk.send(STDIN, b"go\n").await;
    talk.wait_for(STDOUT, "33 91\r\n").await;
    talk.send(CLOSE, &[STDIN]).await;
    assert_eq!(talk.rest().await.2, success());
    end(&setup, "tty").await;
}

#[tokio::test]
async fn a_command_ends_when_its_client_hangs_up_or_its_agent_stops() {
    let mut setup = Setup::new(RuntimeKind::Process);
    let mut way_back = idle(&setup, "hang").await;
    let before = marked("MARK=streams-hang");
    let running = |count| move || marked("MARK=streams-hang") == count;
    for streams in ["input=1&output=1", "output=1", "input=1&output=1&tty=1"] {
        let mut talk = way_back.messages(&exec("hang", "setsid sleep 1001 & echo go; sleep 1002; :", streams)).await;
        talk.wait_for(STDOUT, "go").await;
        setup.until("the command runs", running(before + 3)).await;
        drop(talk);
        setup.until("the command is ended", running(before)).await;
    }
    // The end of what a client sends is no hang-up, and may have come before that.
    let mut talk = way_back.messages(&exec("hang", "cat; echo go; exec sleep 1001", "input=1&output=1")).await;
    talk.to_pod = None;
    talk.wait_for(STDOUT, "go").await;
    drop(talk);
    setup.until("the command is ended", running(before)).await;
    // One that writes without end waits for its client, and ends with it, too.
    let mut talk = way_back.messages(&exec("hang", "while echo go; do :; done", "output=1")).await;
    talk.wait_for(STDOUT, "go").await;
    drop(talk);
    setup.until("the command is ended", running(before)).await;

    let mut talk = way_back.messages(&exec("hang", "echo go; exec sleep 1001", "output=1")).await;
    talk.wait_for(STDOUT, "go").await;
    setup.tasks.stop(Duration::from_secs(5)).await;
    setup.until("the command is ended", running(before)).await;
    setup.tasks = lifecycle::tasks::Tasks::new();
    setup.start().await;
    end(&setup, "hang").await;
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_with_a_sentence() {
    let setup = Setup::new(RuntimeKind::Process);
    let mut way_back = idle(&setup, "refuse").await;
    setup.api.create_pod(
        "ended",
        "node-1",
        json!({ "restartPolicy": "Never", "containers": shell("exit 0")["containers"] }),
    );
    setup.eventually("the pod ends", "ended", |pod| pod["status"]["phase"] == "Succeeded").await;
    for (path, code, text) in [
        ("/exec/default/none/main?command=a&output=1", 404, "pod \"none\" not found in namespace \"default\""),
        ("/exec/default/refuse/none?command=a&output=1", 404, "container \"none\" not found in pod \"refuse\""),
        ("/attach/default/refuse/none?output=1", 404, "container \"none\" not found in pod \"refuse\""),
        ("/exec/default/refuse/main?output=1", 400, "you must specify at least 1 command to run"),
        ("/exec/default/refuse/main?command=a", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("/exec/default/ended/main?command=a&output=1", 400, "container not found (\"main\")"),
        ("/attach/default/ended/main?output=1", 400, "container not found (\"main\")"),
        ("/portForward/default/refuse?port=0", 400, "unable to parse \"0\" as a port: give a number from 1 to 65535"),
        ("/portForward/default/none?port=1", 404, "pod \"none\" not found in namespace \"default\""),
    ] {
        assert_eq!(way_back.post(path).await, (code, text.to_owned()), "{path}");
    }
    let mut talk = way_back.messages("/exec/default/refuse/main?command=no-such-program&error=1").await;
    let (_, errors, status) = talk.rest().await;
    assert!(errors.contains("exec: \"no-such-program\""), "{errors}");
    assert_eq!(status["details"]["causes"][0]["message"], "126");
    end(&setup, "refuse").await;
    setup.api.delete_pod("ended", 1, setup.clock.now());
    setup.eventually("the pod is gone", "ended", Value::is_null).await;
}

#[tokio::test]
async fn a_simulated_container_says_that_it_runs_no_commands() {
    let setup = Setup::new(RuntimeKind::Simulated);
    setup.start().await;
    setup.api.create_pod("web", "node-1", json!({ "containers": [{ "name": "main", "image": "nginx" }] }));
    setup.eventually("the pod runs", "web", is_running).await;
    let mut way_back = setup.way_back().await;
    let (_, _, status) = way_back.messages("/exec/default/web/main?command=ls&output=1").await.rest().await;
    assert_eq!((&status["reason"], &status["code"]), (&json!("InternalError"), &json!(500)));
    let message = status["message"].as_str().unwrap();
    assert!(message.contains("the simulated runtime runs no commands"), "{message}");
    let (code, text) = way_back.post("/attach/default/web/main?output=1").await;
    assert!(code == 500 && text.contains("the simulated runtime runs no commands"), "{code} {text}");
}

#[tokio::test]
async fn a_command_is_run_for_its_text() {
    let setup = Setup::new(RuntimeKind::Process);
    let mut way_back = idle(&setup, "run").await;
    assert_eq!(way_back.post("/run/default/run/main?cmd=echo%20a%20b").await, (200, "a b\n".to_owned()));
    let (code, text) = way_back.post("/run/default/run/main?cmd=false").await;
    assert_eq!((code, text.as_str()), (500, "command 'false' exited with 1: "));
    end(&setup, "run").await;
}

#[tokio::test]
async fn a_client_attaches_to_the_main_process() {
    let setup = Setup::new(RuntimeKind::Process);
    setup.start().await;
    let script =
        "echo before; while printf 'say: ' && read word; do echo \"got $word\"; echo oh >&2; done; printf rest; exit 4";
    let mut spec = shell(script);
    spec["restartPolicy"] = json!("Never");
    spec["containers"][0]["stdin"] = json!(true);
    spec["containers"][0]["stdinOnce"] = json!(true);
    setup.api.create_pod("main", "node-1", spec);
    setup.eventually("the pod runs", "main", is_running).await;
    let log = setup.folder.path().join("pods/uid-main/logs/main/0.log");
    setup.until("it has begun", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("say: "))).await;
    let mut way_back = setup.way_back().await;
    let mut listener = way_back.messages("/attach/default/main/main?output=1&error=1").await;
    let mut talk = way_back.messages("/attach/default/main/main?input=1&output=1").await;
    talk.send(STDIN, b"one\n").await;
    // A question has no end of line.
    talk.wait_for(STDOUT, "got one\nsay: ").await;
    talk.send(STDIN, b"two\n").await;
    talk.send(CLOSE, &[STDIN]).await;
    assert_eq!(talk.rest().await, ("got two\nsay: rest".to_owned(), String::new(), success()));
    let all = ("got one\nsay: got two\nsay: rest".to_owned(), "oh\noh\n".to_owned(), success());
    assert_eq!(listener.rest().await, all);
    setup.eventually("the pod has failed", "main", |pod| pod["status"]["phase"] == "Failed").await;
    setup.api.delete_pod("main", 1, setup.clock.now());
    setup.eventually("the pod is gone", "main", Value::is_null).await;
}

#[tokio::test]
async fn input_for_a_container_without_stdin_is_ignored() {
    let setup = Setup::new(RuntimeKind::Process);
    let mut way_back = idle(&setup, "deaf").await;
    let talk = way_back.messages("/attach/default/deaf/main?input=1").await;
    talk.send(STDIN, b"one\n").await;
    drop(talk);
    end(&setup, "deaf").await;
}

#[tokio::test]
async fn bytes_go_to_a_port_of_a_pod_and_back() {
    let setup = Setup::new(RuntimeKind::Process);
    let mut way_back = idle(&setup, "port").await;
    let address: IpAddr = setup.api.pod("port").unwrap()["status"]["podIP"].as_str().unwrap().parse().unwrap();
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"hello\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        // It has seen the end of what it is sent, and may still answer.
        stream.write_all(text.to_uppercase().as_bytes()).await.unwrap();
    });
    let mut talk = way_back.talk(&format!("/portForward/default/port?port={port}")).await;
    assert_eq!(talk.code, 200);
    let mut seen = Vec::new();
    while seen != b"hello\n" {
        seen.extend_from_slice(&talk.answer.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    talk.to_pod.as_ref().unwrap().send(Bytes::from_static(b"some text")).await.unwrap();
    talk.to_pod = None;
    assert_eq!(talk.answer.collect().await.unwrap().to_bytes(), "SOME TEXT");
    server.await.unwrap();

    // A port that is taken, and that nobody listens on.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind((address, 0).into()).unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, text) = way_back.post(&format!("/portForward/default/port?port={port}")).await;
    assert_eq!(code, 502);
    let start =
        format!("failed to connect to localhost:{port} inside namespace \"default/port\": dial tcp {address}:{port}: ");
    assert!(text.starts_with(&start) && text.contains("refused"), "{text}");
    end(&setup, "port").await;
}

#[tokio::test]
async fn a_connection_to_a_port_ends_with_its_client() {
    let setup = Setup::new(RuntimeKind::Process);
    let mut way_back = idle(&setup, "leave").await;
    let address = setup.api.pod("leave").unwrap()["status"]["podIP"].as_str().unwrap().to_owned();
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let path = format!("/portForward/default/leave?port={port}");
    let (talk, accepted) = tokio::join!(way_back.talk(&path), listener.accept());
    drop(talk);
    let mut stream = accepted.unwrap().0;
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    // Nobody is at the other end.
    while stream.write_all(&[0; 1024]).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    end(&setup, "leave").await;
}
