//! Bytes through pipes, and without them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Two ends of a connection that is carried by `both_ways`.
async fn carried(pipes: std::sync::Arc<Pipes>) -> (TcpStream, TcpStream, tokio::task::JoinHandle<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, near) = (TcpStream::connect(address).await.unwrap(), listener.accept().await.unwrap().0);
    let (far, server) = (TcpStream::connect(address).await.unwrap(), listener.accept().await.unwrap().0);
    let carrying = tokio::spawn(async move { both_ways(&near, &far, &pipes).await });
    (client, server, carrying)
}

async fn carries_whole(pipes: std::sync::Arc<Pipes>) {
    let sent: Vec<u8> = (0..9_000_000_u32).map(|number| (number % 251) as u8).collect();
    let (mut client, mut server, carrying) = carried(pipes).await;
    let expected = sent.clone();
    let sending = tokio::spawn(async move {
        // A small piece first, so that both ways of carrying take part.
        client.write_all(&sent[..10]).await.unwrap();
        tokio::task::yield_now().await;
        client.write_all(&sent[10..]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    });
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.unwrap();
    assert!(heard == expected, "bytes differ");
    server.write_all(b"thanks").await.unwrap();
    drop(server);
    assert_eq!(sending.await.unwrap(), "thanks");
    assert_eq!(carrying.await.unwrap(), 9_000_006);
}

#[tokio::test]
async fn bytes_arrive_whole_through_pipes() {
    carries_whole(std::sync::Arc::default()).await;
}

#[tokio::test]
async fn bytes_arrive_whole_where_no_pipe_is_left() {
    let pipes = std::sync::Arc::new(Pipes::default());
    let mut taken = Vec::new();
    while let Some(pipe) = pipes.take() {
        taken.push(pipe);
    }
    assert!(!cfg!(target_os = "linux") || taken.len() > 1);
    carries_whole(pipes.clone()).await;
}

#[tokio::test]
async fn a_connection_at_rest_costs_little() {
    let pipes = Pipes::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let size = size_of_val(&both_ways(&stream, &stream, &pipes));
    assert!(size < 1_200, "{size} bytes");
}

#[tokio::test]
async fn what_the_server_said_before_it_broke_off_arrives() {
    let (mut client, mut server, carrying) = carried(std::sync::Arc::default()).await;
    client.write_all(b"this is not read").await.unwrap();
    server.write_all(b"no").await.unwrap();
    // Closing with unread bytes breaks a connection off.
    server.peek(&mut [0; 9]).await.unwrap();
    drop(server);
    let mut heard = [0; 2];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"no");
    assert!(client.read_u8().await.is_err());
    carrying.await.unwrap();
}

#[tokio::test]
async fn a_side_that_closed_and_is_spoken_to_breaks_off() {
    let (mut client, server, carrying) = carried(std::sync::Arc::default()).await;
    drop(server);
    assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    client.write_all(b"hello?").await.unwrap();
    carrying.await.unwrap();
}
