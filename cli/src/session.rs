//! A client at work: sends requests, reads answers, and keeps what every command needs to know.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Client;
use kube::client::Body;
use lifecycle::clock::Clock;
use serde_json::Value;
use tokio::time::Instant;

use crate::error::CliError;
use crate::request::Call;
use crate::screen::Screen;

pub struct Session {
    pub client: Client,
    /// `host:port`, for error texts.
    pub server: String,
    pub namespace: String,
    /// Whether the namespace was asked for by a flag.
    pub namespace_given: bool,
    pub request_timeout: Option<Duration>,
    pub screen: Screen,
    pub clock: Clock,
    /// Each warning of the server is shown once.
    pub warnings: RefCell<BTreeSet<String>>,
}

impl Session {
    /// Sends a request; a failure of the server is an error.
    pub async fn send(&self, call: Call) -> Result<Response<Body>, CliError> {
        let sent = self.client.send(call.into_request()?);
        let answered = match self.request_timeout {
            None => sent.await,
            Some(limit) => match tokio::time::timeout(limit, sent).await {
                Ok(answered) => answered,
                Err(_) => return Err(self.unreachable(&"no answer within the time given by --request-timeout")),
            },
        };
        let response = answered.map_err(|error| self.no_answer(&error))?;
        self.show_warnings(response.headers());
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status();
        let bytes = self.read_whole(response).await?;
        Err(CliError::Server(Box::new(status_of(code, &bytes))))
    }

    pub async fn bytes(&self, call: Call) -> Result<Vec<u8>, CliError> {
        let response = self.send(call).await?;
        self.read_whole(response).await
    }

    pub async fn value(&self, call: Call) -> Result<Value, CliError> {
        let bytes = self.bytes(call).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            CliError::local(format!("the server's answer is not the JSON that was asked for: {error}"))
        })
    }

    /// Opens a stream of lines, such as a watch or a log.
    pub async fn lines(&self, call: Call) -> Result<Lines, CliError> {
        let response = self.send(call).await?;
        let deadline = self.request_timeout.map(|timeout| Instant::now() + timeout);
        Ok(Lines { deadline, ..Lines::new(response.into_body()) })
    }

    async fn read_whole(&self, response: Response<Body>) -> Result<Vec<u8>, CliError> {
        let reading = response.into_body().collect();
        let collected = match self.request_timeout {
            None => reading.await,
            Some(limit) => match tokio::time::timeout(limit, reading).await {
                Ok(collected) => collected,
                Err(_) => return Err(self.unreachable(&"the answer took longer than --request-timeout")),
            },
        };
        Ok(collected.map_err(|error| self.no_answer(&error))?.to_bytes().to_vec())
    }

    fn no_answer(&self, error: &kube::Error) -> CliError {
        if is_refused(error) {
            return CliError::Connection(format!(
                "The connection to the server {} was refused - did you specify the right host or port? \
                 Is 'skiff up' running?",
                self.server
            ));
        }
        self.unreachable(&innermost(error))
    }

    fn unreachable(&self, why: &dyn std::fmt::Display) -> CliError {
        CliError::Connection(format!("Unable to connect to the server {}: {why}", self.server))
    }

    fn show_warnings(&self, headers: &HeaderMap) {
        for warning in headers.get_all(http::header::WARNING) {
            if let Some(text) = warning.to_str().ok().and_then(warning_text) {
                let line = format!("Warning: {text}");
                if self.warnings.borrow_mut().insert(text) {
                    self.screen.complain(&line);
                }
            }
        }
    }
}

/// `299 - "text"`: the text, unescaped.
fn warning_text(header: &str) -> Option<String> {
    let quoted = header.strip_prefix("299 ")?.split_once('"')?.1;
    let mut text = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            '"' => break,
            other => text.push(other),
        }
    }
    Some(text)
}

fn is_refused(error: &kube::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The cause behind the causes says what happened; those around it only where.
fn innermost(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = error.to_string();
        next = error.source();
    }
    text
}

/// The Status in the body, or one that says what the code alone says.
fn status_of(code: StatusCode, body: &[u8]) -> Status {
    if let Ok(status) = serde_json::from_slice::<Status>(body)
        && status.status.as_deref() == Some("Failure")
    {
        return status;
    }
    let text = String::from_utf8_lossy(body).trim().to_owned();
    let (reason, message) = match code.as_u16() {
        400 => ("BadRequest", "the server rejected our request for an unknown reason".to_owned()),
        401 => ("Unauthorized", "the server has asked for the client to provide credentials".to_owned()),
        403 => ("Forbidden", text),
        404 => ("NotFound", "the server could not find the requested resource".to_owned()),
        405 => ("MethodNotAllowed", "the server does not allow this method on the requested resource".to_owned()),
        406 => ("NotAcceptable", text),
        409 => ("Conflict", "the server reported a conflict".to_owned()),
        413 => ("RequestEntityTooLarge", text),
        415 => ("UnsupportedMediaType", text),
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later".to_owned(),
        ),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request".to_owned()),
        504 => ("Timeout", "the server was unable to return a response in the time allotted".to_owned()),
        other => (
            "InternalError",
            format!("an error on the server ({text:?}) has prevented the request from succeeding ({other})"),
        ),
    };
    Status {
        status: Some("Failure".to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message),
        code: Some(i32::from(code.as_u16())),
        ..Status::default()
    }
}

/// A body read line by line, without their ends.
pub struct Lines {
    body: Body,
    received: Vec<u8>,
    /// Where in `received` the next line begins, and up to where no line end was found.
    start: usize,
    scanned: usize,
    ended: bool,
    /// When the stream is over in any case.
    deadline: Option<Instant>,
}

impl Lines {
    pub fn new(body: Body) -> Self {
        Self { body, received: Vec::new(), start: 0, scanned: 0, ended: false, deadline: None }
    }

    /// The next line; none when the stream has ended. A last line without an end counts.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, CliError> {
        loop {
            if let Some(at) = self.received[self.scanned..].iter().position(|byte| *byte == b'\n') {
                let end = self.scanned + at;
                let line = self.received[self.start..end].to_vec();
                self.start = end + 1;
                self.scanned = self.start;
                return Ok(Some(line));
            }
            self.received.drain(..self.start);
            self.start = 0;
            self.scanned = self.received.len();
            if self.ended {
                let rest = std::mem::take(&mut self.received);
                self.scanned = 0;
                return Ok((!rest.is_empty()).then_some(rest));
            }
            match self.chunk().await? {
                None => self.ended = true,
                Some(data) => self.received.extend_from_slice(&data),
            }
        }
    }

    /// The next bytes as they come in.
    pub async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, CliError> {
        loop {
            let frame = match self.deadline {
                None => self.body.frame().await,
                Some(deadline) => tokio::time::timeout_at(deadline, self.body.frame()).await.unwrap_or_default(),
            };
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => {
                    return Err(CliError::Connection(format!("the stream broke: {}", innermost(&error))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_unquoted() {
        assert_eq!(warning_text(r#"299 - "unknown field \"spec.x\"""#).as_deref(), Some("unknown field \"spec.x\""));
        assert_eq!(warning_text("199 - \"x\""), None);
    }

    #[tokio::test]
    async fn lines_are_cut_wherever_the_chunks_end() {
        let body = Body::from(b"a\nbc\n\nlast".to_vec());
        let mut lines = Lines::new(body);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(all, ["a", "bc", "", "last"]);
    }

    #[test]
    fn a_code_without_a_status_is_put_into_words() {
        let status = status_of(StatusCode::NOT_FOUND, b"404 page not found");
        assert_eq!(status.message.as_deref(), Some("the server could not find the requested resource"));
        assert_eq!(status_of(StatusCode::BAD_GATEWAY, b"oops").reason.as_deref(), Some("InternalError"));
    }
}
