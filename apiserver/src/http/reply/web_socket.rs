//! A watch over a WebSocket, for those who cannot read a stream of lines: each event is a text message.

use api::failure::Failure;
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use http::request::Parts;

use crate::http::reply::watch::Watching;
use crate::http::streaming::upgrade;

pub async fn watch(request: &Parts, watching: Watching) -> Result<Response, Failure> {
    let socket = upgrade::web_socket(&mut request.clone()).await?;
    Ok(socket.protocols(upgrade::offered(&request.headers)).on_upgrade(|socket| send(socket, watching)))
}

/// Sends events until they end or the client goes. What the client says is of no interest.
async fn send(mut socket: WebSocket, mut watching: Watching) {
    loop {
        let frame = tokio::select! {
            frame = watching.next_frame() => frame,
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let Some(frame) = frame else { break };
        for event in String::from_utf8_lossy(&frame).lines() {
            if socket.send(Message::text(event)).await.is_err() {
                return;
            }
        }
    }
    // The client may be gone by now, which is as good.
    drop(socket.send(Message::Close(None)).await);
}
