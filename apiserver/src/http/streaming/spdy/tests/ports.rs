//! Forwarded ports: several connections at once, and what can go wrong with one.

use lifecycle::duplex::Duplex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::client::Client;
use crate::http::streaming::spdy::ports;

/// The pod's ends of the connections, with their ports. The port 1 refuses, the port 2 never answers.
type Dialed = mpsc::UnboundedReceiver<(u16, DuplexStream)>;

fn start() -> (Client, Dialed, JoinHandle<()>) {
    let (client, far) = Client::new();
    let (sender, dialed) = mpsc::unbounded_channel();
    let dial = move |port| {
        let sender = sender.clone();
        async move {
            match port {
                1 => return Err("connection refused".to_owned()),
                2 => std::future::pending().await,
                _ => {}
            }
            let (near, far) = tokio::io::duplex(1024);
            sender.send((port, far)).unwrap();
            Ok(Box::new(near) as Box<dyn Duplex>)
        }
    };
    let serving = tokio::spawn(async move { ports::serve(Box::new(far), dial).await });
    (client, dialed, serving)
}

/// Opens a pair: the streams for errors and for data.
async fn open(client: &mut Client, port: &str, request: &str) -> (u32, u32) {
    let error = client.open(&[("streamtype", "error"), ("port", port), ("requestid", request)]).await;
    client.finish(error).await;
    (error, client.open(&[("streamtype", "data"), ("port", port), ("requestid", request)]).await)
}

async fn read(io: &mut DuplexStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    io.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn two_connections_at_once_are_echoed() {
    let (mut client, mut dialed, _serving) = start();
    // The second pair comes between the first, and the other way round.
    let first_error = client.open(&[("streamtype", "error"), ("port", "80"), ("requestid", "0")]).await;
    let second_data = client.open(&[("streamtype", "data"), ("port", "81"), ("requestid", "1")]).await;
    let first_data = client.open(&[("streamtype", "data"), ("port", "80"), ("requestid", "0")]).await;
    let second_error = client.open(&[("streamtype", "error"), ("port", "81"), ("requestid", "1")]).await;
    let (port, mut first) = dialed.recv().await.unwrap();
    assert_eq!(port, 80);
    let (port, mut second) = dialed.recv().await.unwrap();
    assert_eq!(port, 81);
    let echo = async |io: &mut DuplexStream| {
        let (mut reader, mut writer) = tokio::io::split(io);
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let conversation = async {
        client.send(first_data, b"one").await;
        client.send(second_data, b"two").await;
        client.until(second_data, |received| received.bytes == b"two").await;
        client.until(first_data, |received| received.bytes == b"one").await;
        client.send(first_data, b" more").await;
        for stream in [first_data, second_data] {
            client.finish(stream).await;
        }
        assert_eq!(client.all_of(first_data).await, "one more");
        assert_eq!(client.all_of(second_data).await, "two");
        assert_eq!(client.all_of(first_error).await, "");
        assert_eq!(client.all_of(second_error).await, "");
    };
    tokio::join!(echo(&mut first), echo(&mut second), conversation);
}

#[tokio::test]
async fn a_port_that_refuses_is_told_and_others_go_on() {
    let (mut client, mut dialed, _serving) = start();
    let (error, data) = open(&mut client, "1", "0").await;
    assert_eq!(client.all_of(error).await, "connection refused");
    assert_eq!(client.until_reset(data).await, 5);
    let (_, data) = open(&mut client, "80", "1").await;
    let (_, mut io) = dialed.recv().await.unwrap();
    client.send(data, b"hello").await;
    assert_eq!(read(&mut io, 5).await, "hello");
}

#[tokio::test]
async fn what_the_client_ends_the_port_may_still_answer() {
    let (mut client, mut dialed, _serving) = start();
    let (error, data) = open(&mut client, "80", "0").await;
    let (_, mut io) = dialed.recv().await.unwrap();
    client.send(data, b"question").await;
    client.finish(data).await;
    let mut question = String::new();
    io.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    assert!(!client.of(error).is_finished);
    io.write_all(b"answer").await.unwrap();
    drop(io);
    assert_eq!(client.all_of(data).await, "answer");
    assert_eq!(client.all_of(error).await, "");
}

#[tokio::test]
async fn a_port_that_ends_first_is_told_at_once() {
    let (mut client, mut dialed, _serving) = start();
    let (error, data) = open(&mut client, "80", "0").await;
    let (_, mut io) = dialed.recv().await.unwrap();
    io.write_all(b"goodbye").await.unwrap();
    io.shutdown().await.unwrap();
    assert_eq!(client.all_of(data).await, "goodbye");
    // The client's own side is still open.
    assert_eq!(client.all_of(error).await, "");
    client.send(data, b"and to you").await;
    assert_eq!(read(&mut io, 10).await, "and to you");
}

#[tokio::test]
async fn a_reset_closes_the_connection_to_the_port() {
    let (mut client, mut dialed, _serving) = start();
    let (error, data) = open(&mut client, "80", "0").await;
    let (_, mut io) = dialed.recv().await.unwrap();
    client.reset(data).await;
    assert_eq!(client.all_of(error).await, "");
    assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
    io.write_all(b"x").await.unwrap_err();
    // One that is still being reached ends as well.
    let (error, data) = open(&mut client, "2", "1").await;
    client.reset(data).await;
    assert_eq!(client.all_of(error).await, "");
}

#[tokio::test]
async fn a_port_that_takes_no_more_may_still_speak() {
    let (mut client, mut dialed, _serving) = start();
    let (_, data) = open(&mut client, "80", "0").await;
    let (_, mut io) = dialed.recv().await.unwrap();
    io.write_all(b"bye").await.unwrap();
    drop(io);
    for _ in 0..100 {
        client.send(data, b"nobody takes this").await;
    }
    assert_eq!(client.all_of(data).await, "bye");
    // Nothing is held up by what nobody takes.
    open(&mut client, "80", "1").await;
    dialed.recv().await.unwrap();
}

#[tokio::test]
async fn streams_that_are_no_part_of_a_pair_are_reset() {
    let (mut client, mut dialed, _serving) = start();
    for headers in [
        &[("streamtype", "error"), ("port", "http"), ("requestid", "0")][..],
        &[("streamtype", "data"), ("port", "0"), ("requestid", "0")],
        &[("streamtype", "stdin"), ("port", "80"), ("requestid", "0")],
        &[],
    ] {
        let stream = client.open(headers).await;
        assert_eq!(client.until_reset(stream).await, 1);
    }
    let headers = [("streamtype", "error"), ("port", "80"), ("requestid", "0")];
    client.open(&headers).await;
    let again = client.open(&headers).await;
    assert_eq!(client.until_reset(again).await, 1);
    // The first one still waits for its data.
    client.open(&[("streamtype", "data"), ("port", "80"), ("requestid", "0")]).await;
    dialed.recv().await.unwrap();
}

#[tokio::test]
async fn clients_without_requests_open_the_errors_first() {
    let (mut client, mut dialed, _serving) = start();
    for port in [80, 81] {
        client.open(&[("streamtype", "error"), ("port", &port.to_string())]).await;
        client.open(&[("streamtype", "data"), ("port", &port.to_string())]).await;
        assert_eq!(dialed.recv().await.unwrap().0, port);
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_pair_waits_half_a_minute() {
    let (mut client, _dialed, _serving) = start();
    let begin = tokio::time::Instant::now();
    let stream = client.open(&[("streamtype", "error"), ("port", "80"), ("requestid", "0")]).await;
    assert_eq!(client.until_reset(stream).await, 5);
    assert_eq!(begin.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_port_has_half_a_minute_to_be_reached() {
    let (mut client, _dialed, _serving) = start();
    let (error, _) = open(&mut client, "2", "0").await;
    assert_eq!(client.all_of(error).await, "port 2 was not reached in time");
}

#[tokio::test]
async fn everything_ends_with_the_client() {
    let (mut client, mut dialed, serving) = start();
    open(&mut client, "80", "0").await;
    let (_, mut io) = dialed.recv().await.unwrap();
    client.hang_up();
    assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
    serving.await.unwrap();
}
