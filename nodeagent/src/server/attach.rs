//! The streams of a container's main process, as the kubelet's `/attach` gives them.
//!
//! What it writes is read from its log. There a line is found once it has an end or has grown long; that of a container
//! with `stdin` at once. A main process has no terminal here: who asks for one gets both of its streams as one.

use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use api::channels::{STDERR, STDOUT};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::future::try_join_all;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use http::StatusCode;

use crate::logs;
use crate::pods::context::Context;
use crate::server::find::{self, Refusal, Running};
use crate::server::messages::{self, Incoming, Outgoing};
use crate::server::query::Wanted;
use crate::server::{Shared, outcome};

/// What a container writes from now on.
type Text = BoxStream<'static, io::Result<Bytes>>;

pub async fn attach(
    State(shared): State<Shared>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Refusal> {
    let wanted = Wanted::parse(&query.unwrap_or_default())?;
    let context = shared.context;
    let running = find::running(&context, &namespace, &pod, &container)?;
    let failed = |error| (StatusCode::INTERNAL_SERVER_ERROR, format!("error attaching to container: {error:#}"));
    let mut followed = Vec::new();
    for (channel, stream) in streams(wanted) {
        followed.push((channel, follow(&context, &running, &container, stream).await.map_err(failed)?));
    }
    let input = if wanted.input { context.runtime.input(&running.id).await.map_err(failed)? } else { None };
    let (outgoing, answer) = messages::outgoing();
    context.tasks.spawn_until_stop(format!("client of {namespace}/{pod}/{container}"), async move {
        let sent = tokio::select! {
            sent = try_join_all(followed.into_iter().map(|(channel, text)| send(channel, text, &outgoing))) => sent,
            () = Incoming::new(body).feed(input, None) => return,
            () = outgoing.hung_up() => return,
        };
        // As a kubelet does, whatever the container's code: that is in the pod's status.
        let status = match sent {
            Ok(_) => outcome::success(),
            Err(error) => outcome::failed(format!("error attaching to container: {error}")),
        };
        outgoing.finish(&status).await;
    });
    Ok(answer.into_response())
}

/// The streams of the log that are followed, and the channel on which each is sent. One that is not sent is followed
/// all the same, since its end is that of the container; no name means all streams.
fn streams(wanted: Wanted) -> Vec<(Option<u8>, Option<&'static str>)> {
    let output = wanted.output.then_some(STDOUT);
    if wanted.tty {
        return vec![(output, None)];
    }
    vec![(output, Some("stdout")), (wanted.error.then_some(STDERR), Some("stderr"))]
}

async fn follow(
    context: &Context,
    running: &Running,
    container: &str,
    stream: Option<&'static str>,
) -> anyhow::Result<Text> {
    let path = context.log_file(&running.uid, container, running.attempt);
    let path = path.context(
        "the simulated runtime runs no commands: its containers are only a status; use a node with the process runtime",
    )?;
    let request = logs::Request {
        path,
        follow: true,
        tail_lines: Some(0),
        limit_bytes: None,
        since: None,
        with_times: false,
        stream,
    };
    let (runtime, id) = (Arc::clone(&context.runtime), running.id.clone());
    Ok(logs::open(request, move || runtime.runs(&id)).await.context("open the container's log")?.boxed())
}

async fn send(channel: Option<u8>, mut text: Text, outgoing: &Outgoing) -> io::Result<()> {
    while let Some(piece) = text.try_next().await? {
        if let Some(channel) = channel
            && outgoing.send(channel, &piece).await.is_err()
        {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_a_terminal_gets_both_streams_as_one() {
        let wanted = Wanted { input: true, output: true, error: false, tty: true };
        assert_eq!(streams(wanted), [(Some(STDOUT), None)]);
        let apart = Wanted { tty: false, ..wanted };
        assert_eq!(streams(apart), [(Some(STDOUT), Some("stdout")), (None, Some("stderr"))]);
    }
}
