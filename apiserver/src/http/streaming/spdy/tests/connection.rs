//! A connection alone: its streams, and what befalls it.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::client::Client;
use crate::http::streaming::spdy::connection::{Connection, Streams};
use crate::http::streaming::spdy::frame::{Frame, PIECE, Reset};
use crate::http::streaming::spdy::stream::{Closed, Stream};

/// A connection that runs in a task, and its client.
fn start() -> (Client, Streams, tokio::task::JoinHandle<anyhow::Result<()>>) {
    let (client, far) = Client::new();
    let (connection, streams) = Connection::new(far);
    (client, streams, tokio::spawn(connection.run()))
}

async fn opened(client: &mut Client, streams: &mut Streams) -> (u32, Stream) {
    let id = client.open(&[("Streamtype", "data")]).await;
    let stream = streams.next().await.unwrap();
    assert_eq!((stream.id, stream.headers.get("streamtype")), (id, Some("data")));
    (id, stream)
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_way_ends_alone() {
    let (mut client, mut streams, _run) = start();
    let (id, mut stream) = opened(&mut client, &mut streams).await;
    client.send(id, b"to the server").await;
    client.finish(id).await;
    assert_eq!(stream.input.next().await.unwrap(), "to the server");
    assert_eq!(stream.input.next().await, None);
    stream.output.send(Bytes::from_static(b"to the client")).await.unwrap();
    stream.output.finish().await;
    assert_eq!(client.all_of(id).await, "to the client");
}

#[tokio::test]
async fn a_stream_may_end_with_its_opening_or_with_headers() {
    let (mut client, mut streams, _run) = start();
    let (first, mut stream) = opened(&mut client, &mut streams).await;
    client
        .write(Frame::Headers { stream: first, fin: true, block: Bytes::from_static(b"\0\x04\0\xfb\xff\0\0\0\0") })
        .await;
    assert_eq!(stream.input.next().await, None);
    let block = Bytes::from_static(b"\0\x04\0\xfb\xff\0\0\0\0");
    client.write(Frame::SynStream { stream: 3, fin: true, block }).await;
    assert_eq!(streams.next().await.unwrap().input.next().await, None);
}

#[tokio::test]
async fn headers_that_nobody_asks_for_are_part_of_the_stream_that_headers_are() {
    let (mut client, mut streams, _run) = start();
    // One compressed stream of four blocks; see the tests of headers.
    let block = |text| Bytes::from(hex::decode(text).unwrap());
    client.open_with(block("78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff")).await;
    client.write(Frame::Headers { stream: 1, fin: false, block: block("c22e555c02cc2e00000000ffff") }).await;
    client.write(Frame::SynReply { stream: 2, fin: false, block: block("c22a054ce729f9a52500000000ffff") }).await;
    client.open_with(block("c229073414000000ffff")).await;
    for kind in ["error", "stderr"] {
        assert_eq!(streams.next().await.unwrap().headers.get("streamtype"), Some(kind));
    }
}

#[tokio::test]
async fn long_output_is_cut_into_frames() {
    let (mut client, mut streams, _run) = start();
    let (id, mut stream) = opened(&mut client, &mut streams).await;
    let text: Vec<u8> = (0..3 * PIECE + 5).map(|at| (at % 251) as u8).collect();
    let sent = Bytes::from(text.clone());
    let sending = async {
        stream.output.send(sent).await.unwrap();
        stream.output.finish().await;
    };
    let (received, ()) = tokio::join!(client.until(id, |received| received.is_finished), sending);
    assert!(received.bytes == text);
}

#[tokio::test]
async fn pings_are_answered_and_other_frames_passed_over() {
    let (mut client, mut streams, _run) = start();
    client.write(Frame::Settings).await;
    client.write(Frame::WindowUpdate { stream: 0, delta: 1 }).await;
    // The server's own pings would be even.
    client.write(Frame::Ping { id: 2 }).await;
    client.write(Frame::Ping { id: 1 }).await;
    client.write_bytes(&[0x80, 3, 0, 99, 0, 0, 0, 1, 0]).await;
    client.write(Frame::Ping { id: 3 }).await;
    let (id, _stream) = opened(&mut client, &mut streams).await;
    client.until(id, |received| received.is_replied).await;
    assert_eq!(client.pings, [1, 3]);
}

#[tokio::test]
async fn a_reset_by_the_client_ends_both_directions() {
    let (mut client, mut streams, _run) = start();
    let (id, mut stream) = opened(&mut client, &mut streams).await;
    client.send(id, b"x").await;
    client.reset(id).await;
    assert_eq!(stream.input.next().await.unwrap(), "x");
    assert_eq!(stream.input.next().await, None);
    stream.output.closed().await;
    assert_eq!(stream.output.send(Bytes::from_static(b"y")).await, Err(Closed));
}

#[tokio::test]
async fn a_reset_by_the_server_is_told_and_what_still_comes_thrown_away() {
    let (mut client, mut streams, _run) = start();
    let (id, stream) = opened(&mut client, &mut streams).await;
    stream.reset(Reset::Cancel).await;
    assert_eq!(client.until_reset(id).await, 5);
    for _ in 0..100 {
        client.send(id, b"too late").await;
    }
    let (next, _stream) = opened(&mut client, &mut streams).await;
    client.until(next, |received| received.is_replied).await;
}

#[tokio::test]
async fn numbers_of_streams_go_upwards_and_are_odd() {
    let (mut client, mut streams, _run) = start();
    let (_, _stream) = opened(&mut client, &mut streams).await;
    for stream in [1, 2] {
        // Four bytes: no headers.
        let block = Bytes::from_static(b"\0\x04\0\xfb\xff\0\0\0\0");
        client.write(Frame::SynStream { stream, fin: false, block }).await;
        assert_eq!(client.until_reset(stream).await, 1);
    }
}

#[tokio::test]
async fn more_streams_than_there_may_be_are_refused_until_others_end() {
    let (mut client, mut streams, _run) = start();
    let mut open = Vec::new();
    for _ in 0..1024 {
        let (id, stream) = opened(&mut client, &mut streams).await;
        client.until(id, |received| received.is_replied).await;
        open.push(stream);
    }
    let refused = client.open(&[]).await;
    assert_eq!(client.until_reset(refused).await, 3);
    let mut ended = open.pop().unwrap();
    ended.output.finish().await;
    client.finish(ended.id).await;
    opened(&mut client, &mut streams).await;
}

#[tokio::test]
async fn after_its_goaway_a_client_opens_nothing_and_streams_go_on() {
    let (mut client, mut streams, _run) = start();
    let (id, mut stream) = opened(&mut client, &mut streams).await;
    client.write(Frame::GoAway { last: 0, status: 0 }).await;
    let ignored = client.open(&[]).await;
    client.send(id, b"still here").await;
    assert_eq!(stream.input.next().await.unwrap(), "still here");
    stream.output.finish().await;
    client.all_of(id).await;
    assert!(!client.of(ignored).is_replied);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_holds_up_the_client() {
    let (mut client, mut streams, _run) = start();
    let (id, mut stream) = opened(&mut client, &mut streams).await;
    let mut taken = 0;
    let piece = Bytes::from(vec![0; PIECE]);
    let full = async {
        loop {
            client.write(Frame::Data { stream: id, fin: false, bytes: piece.clone() }).await;
            taken += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), full).await.unwrap_err();
    assert!((15..20).contains(&taken), "{taken} pieces were taken");
    // The frame that was cut off goes on where it stopped, as soon as there is room.
    for _ in 0..taken {
        assert_eq!(stream.input.next().await.unwrap().len(), PIECE);
    }
}

#[tokio::test(start_paused = true)]
async fn all_streams_together_hold_no_more_than_their_connection() {
    let (mut client, mut streams, _run) = start();
    let (mut open, taken) = (Vec::new(), Cell::new(0));
    for _ in 0..20 {
        let (id, stream) = opened(&mut client, &mut streams).await;
        client.until(id, |received| received.is_replied).await;
        open.push(stream);
    }
    let ids: Vec<_> = open.iter().map(|stream| stream.id).collect();
    let piece = Bytes::from(vec![0; PIECE]);
    let sending = async {
        for stream in ids.into_iter().cycle().take(200) {
            client.write(Frame::Data { stream, fin: false, bytes: piece.clone() }).await;
            taken.set(taken.get() + PIECE);
        }
    };
    let looking = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!((8..9).contains(&(taken.get() >> 20)), "{} bytes were taken", taken.get());
        // What nobody wants any more takes no room.
        drop(open);
    };
    tokio::join!(sending, looking);
}

#[tokio::test]
async fn the_last_frames_are_written_when_the_streams_are_dropped() {
    let (mut client, mut streams, run) = start();
    let (id, mut stream) = opened(&mut client, &mut streams).await;
    stream.output.send(Bytes::from_static(b"last words")).await.unwrap();
    stream.output.finish().await;
    drop(streams);
    assert_eq!(client.all_of(id).await, "last words");
    client.until_end().await;
    assert!(client.gone_away);
    run.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_does_not_hold_the_connection() {
    let (mut client, mut streams, run) = start();
    let (_, mut stream) = opened(&mut client, &mut streams).await;
    stream.output.send(Bytes::from(vec![0; 4 * PIECE])).await.unwrap();
    drop(streams);
    let error = run.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the client does not take the last frames");
}

#[tokio::test]
async fn a_client_that_leaves_ends_everything() {
    let (mut client, mut streams, run) = start();
    let (_, mut stream) = opened(&mut client, &mut streams).await;
    client.hang_up();
    let _ = run.await.unwrap();
    assert!(streams.next().await.is_none());
    assert_eq!(stream.input.next().await, None);
    assert_eq!(stream.output.send(Bytes::from_static(b"x")).await, Err(Closed));
}

#[tokio::test]
async fn work_ends_with_its_connection() {
    let (mut client, far) = Client::new();
    let (connection, streams) = Connection::new(far);
    client.hang_up();
    let work = async {
        let _streams = streams;
        std::future::pending().await
    };
    connection.run_with(work).await.unwrap();
}

/// Runs a connection upon these bytes and nothing more.
async fn run_upon(bytes: &[u8]) -> anyhow::Result<()> {
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    near.write_all(bytes).await?;
    near.shutdown().await?;
    let (connection, mut streams) = Connection::new(far);
    connection.run_with(async move { while streams.next().await.is_some() {} }).await
}

#[tokio::test]
async fn what_is_no_spdy_ends_with_an_error() {
    // Another protocol, whose first byte makes it a data frame; bytes for a stream that was never opened; no zlib.
    for text in ["GET / HTTP/1.1\r\nHost: example\r\n\r\n", "\0\0\0\x01\0\0\0\x01x"] {
        run_upon(text.as_bytes()).await.unwrap_err();
    }
    let mut bytes = Vec::new();
    let block = Bytes::from_static(b"no zlib");
    Frame::SynStream { stream: 1, fin: false, block }.write(&mut bytes).await.unwrap();
    run_upon(&bytes).await.unwrap_err();
    run_upon(b"").await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_end_a_connection_without_a_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..12, is_control: bool,
    ) {
        if is_control && bytes.len() > 8 {
            bytes[..7].copy_from_slice(&[0x80, 3, 0, kind, 0, 0, 0]);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _ = runtime.block_on(run_upon(&bytes));
    }
}
