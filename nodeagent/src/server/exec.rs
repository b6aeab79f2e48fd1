//! Commands beside the main process of a container, as the kubelet's `/exec` and `/run` start them.

use std::sync::Arc;

use api::channels::{STDERR, STDOUT};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::runtime::interface::{Command, Streams};
use crate::server::find::{self, Refusal};
use crate::server::messages::{self, Incoming, Outgoing};
use crate::server::query::{self, Wanted};
use crate::server::{Shared, outcome};

/// How long a command of `/run` may take: its client ends it by hanging up.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// The command and the client talk in messages, once the answer has begun.
pub async fn exec(
    State(shared): State<Shared>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let arguments = query::all(&query, "command");
    if arguments.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "you must specify at least 1 command to run".to_owned()));
    }
    let wanted = Wanted::parse(&query)?;
    let context = shared.context;
    let running = find::running(&context, &namespace, &pod, &container)?;
    let command = Command { arguments, has_input: wanted.input, has_terminal: wanted.tty };
    let (outgoing, answer) = messages::outgoing();
    let runtime = Arc::clone(&context.runtime);
    context.tasks.spawn_until_stop(format!("command in {namespace}/{pod}/{container}"), async move {
        match runtime.open(&running.id, &command).await {
            Ok(streams) => carry(streams, wanted, Incoming::new(body), outgoing).await,
            Err(error) => outgoing.finish(&failed(&error)).await,
        }
    });
    Ok(answer.into_response())
}

/// Until the command has ended and all that it wrote is sent, or the client breaks off: then it is ended. A client that
/// breaks off behind more input than the command takes is not heard: HTTP/2 holds back its word as it does its bytes.
async fn carry(streams: Streams, wanted: Wanted, incoming: Incoming, outgoing: Outgoing) {
    let Streams { input, output, errors, resize, end } = streams;
    let (output, unwanted_output) = if wanted.output { (Some(output), None) } else { (None, Some(output)) };
    let (errors, unwanted_errors) = if wanted.error { (errors, None) } else { (None, errors) };
    let work = async {
        let (.., code) = tokio::join!(
            outgoing.carry(STDOUT, output),
            outgoing.carry(STDERR, errors),
            messages::discard(unwanted_output),
            messages::discard(unwanted_errors),
            end
        );
        code
    };
    let code = tokio::select! {
        code = work => code,
        () = incoming.feed(input, resize) => return,
        () = outgoing.hung_up() => return,
    };
    let status = code.map_or_else(|error| failed(&error), outcome::ended);
    outgoing.finish(&status).await;
}

fn failed(error: &anyhow::Error) -> Vec<u8> {
    outcome::failed(format!("error executing command in container: {error:#}"))
}

/// The beginning of what a command without input wrote, once it has ended.
pub async fn run(
    State(shared): State<Shared>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<String, Refusal> {
    let words = query::all(&query.unwrap_or_default(), "cmd").into_iter().next().unwrap_or_default();
    let command: Vec<String> = words.split_ascii_whitespace().map(str::to_owned).collect();
    if command.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "you must specify a command to run as cmd".to_owned()));
    }
    let context = shared.context;
    let running = find::running(&context, &namespace, &pod, &container)?;
    let failed = |text: String| (StatusCode::INTERNAL_SERVER_ERROR, text);
    match context.runtime.exec(&running.id, &command, LONGEST).await {
        Ok(answer) if answer.code == 0 => Ok(answer.output),
        Ok(answer) => {
            Err(failed(format!("command '{}' exited with {}: {}", command.join(" "), answer.code, answer.output)))
        }
        Err(error) => Err(failed(format!("{error:#}"))),
    }
}
