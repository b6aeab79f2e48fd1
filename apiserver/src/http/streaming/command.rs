//! `pods/exec` and `pods/attach`: a command in a container, or the container's own, with its streams.

use std::sync::Arc;

use api::channels::{self, ERROR};
use api::failure::Failure;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use form_urlencoded::Serializer;
use futures::{StreamExt, TryStreamExt, stream};
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
use tokio_util::io::StreamReader;

use crate::http::app::App;
use crate::http::path::Target;
use crate::http::query::Query;
use crate::http::streaming::session::{Message, Session, Wanted};
use crate::http::streaming::upgrade::{self, Upgrade};
use crate::http::streaming::{ask, pod, spdy, web_socket};

/// How many messages are under way in each direction. Whoever is slow makes the other wait.
const MESSAGES: usize = 16;

pub async fn serve(app: &Arc<App>, target: &Target, request: Request<Body>) -> Result<Response, Failure> {
    let (mut parts, _) = request.into_parts();
    let uri = parts.uri.clone();
    let query = Query::parse(uri.query().unwrap_or(""));
    let wanted = wanted(&query)?;
    let commands = query.all("command");
    if target.subresource == "exec" && commands.is_empty() {
        return Err(Failure::bad_request("you must specify at least 1 command for the container"));
    }
    let pod = pod::find(app, &target.namespace, &target.name)?;
    let container = pod::container(&pod, &target.name, query.get("container").unwrap_or_default())?;
    let node = pod::node_of(&pod, &target.name)?;
    let asked = upgrade::asked(&mut parts).await?;
    let path = format!("/{}/{}/{}/{container}", target.subresource, target.namespace, target.name);
    let path = path + &options(wanted, &commands);
    match asked {
        Upgrade::WebSocket(upgrade) => {
            let protocol = web_socket::choose(&upgrade::offered(&parts.headers))?;
            let session = open(app, node, path).await?;
            let upgrade = upgrade.protocols(protocol.told());
            Ok(upgrade.on_upgrade(move |socket| web_socket::serve(socket, protocol, wanted, session)))
        }
        Upgrade::Spdy(upgraded) => {
            let offered = upgrade::stream_protocols(&parts.headers);
            let version = spdy::command::choose(&offered).ok_or_else(|| {
                Failure::bad_request(format!(
                    "none of the protocols {offered:?} is known here: offer v4.channel.k8s.io"
                ))
            })?;
            let session = open(app, node, path).await?;
            app.tasks.spawn_until_stop("command over SPDY", async move {
                if let Ok(io) = upgraded.await {
                    spdy::command::serve(Box::new(TokioIo::new(io)), version, wanted, session).await;
                }
            });
            Ok(upgrade::switched((!offered.is_empty()).then_some(version.name())))
        }
    }
}

/// Which streams the client wants: one at least.
fn wanted(query: &Query<'_>) -> Result<Wanted, Failure> {
    let tty = query.boolean("tty");
    let wanted = Wanted {
        stdin: query.boolean("stdin"),
        stdout: query.boolean("stdout"),
        // A terminal has one output.
        stderr: query.boolean("stderr") && !tty,
        tty,
    };
    if !wanted.stdin && !wanted.stdout && !wanted.stderr {
        return Err(Failure::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    Ok(wanted)
}

/// The query in the kubelet's words.
fn options(wanted: Wanted, commands: &[&str]) -> String {
    let mut options = Serializer::for_suffix("?".to_owned(), 1);
    let flags = [("input", wanted.stdin), ("output", wanted.stdout), ("error", wanted.stderr), ("tty", wanted.tty)];
    for (name, _) in flags.into_iter().filter(|(_, is_wanted)| *is_wanted) {
        options.append_pair(name, "true");
    }
    for command in commands {
        options.append_pair("command", command);
    }
    options.finish()
}

/// Has the agent begin. It has answered that it does once this returns.
async fn open(app: &Arc<App>, node: &str, path: String) -> Result<Session, Failure> {
    let (to_pod, messages) = mpsc::channel::<Message>(MESSAGES);
    let body = stream::unfold(messages, async |mut messages| {
        let message = messages.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(frame(&message)), messages))
    });
    let answer = ask::node(app, node, Request::post(path), Body::from_stream(body)).await?;
    let (sender, from_pod) = mpsc::channel(MESSAGES);
    app.tasks.spawn_until_stop(format!("command on node {node}"), receive(answer.into_body(), sender));
    Ok(Session { to_pod, from_pod })
}

/// A message as it goes to the agent.
fn frame(message: &Message) -> Bytes {
    [&channels::head(message.channel, &message.bytes)[..], &message.bytes].concat().into()
}

/// Hands on what the agent says, to the message that tells how it ended. A connection that breaks before is told too.
async fn receive(body: Incoming, sender: mpsc::Sender<Message>) {
    let bytes = body.into_data_stream().map_err(std::io::Error::other);
    let mut frames = FramedRead::new(StreamReader::new(bytes), LengthDelimitedCodec::new());
    while let Some(Ok(mut frame)) = frames.next().await {
        if frame.is_empty() {
            continue;
        }
        let channel = frame.split_to(1)[0];
        if sender.send(Message { channel, bytes: frame.freeze() }).await.is_err() || channel == ERROR {
            return;
        }
    }
    let failure = Failure::internal("the connection to the node broke: look whether its agent runs, then try again");
    let status = serde_json::to_vec(&failure.status()).unwrap_or_default();
    // The client may have hung up, which is as good.
    drop(sender.send(Message { channel: ERROR, bytes: status.into() }).await);
}
