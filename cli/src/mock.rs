//! A server made of fixed answers, for the tests of the commands.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use lifecycle::clock::Clock;
use serde_json::{Value, json};

use crate::discovery::tests::sample_answers;
use crate::screen::Screen;
use crate::session::Session;

/// What was asked of the server: method, path with its query, content type, body.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub what: String,
    pub content_type: String,
    pub body: Value,
}

/// What was printed, or sent.
#[derive(Clone, Default)]
pub struct Record<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Record<T> {
    pub fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

impl Record<u8> {
    pub fn text(&self) -> String {
        String::from_utf8(self.all()).unwrap()
    }
}

impl Write for Record<u8> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Answer = (String, u16, String);

/// Answers each request with the first answer left for it; discovery is always answered.
#[derive(Default)]
pub struct Mock {
    answers: VecDeque<Answer>,
    pub out: Record<u8>,
    pub err: Record<u8>,
    pub asked: Record<Asked>,
}

impl Mock {
    /// `GET /api/v1/nodes`, without its query, and what is answered.
    pub fn answer(self, what: &str, code: u16, body: &Value) -> Self {
        self.answer_text(what, code, &body.to_string())
    }

    /// Lines, such as those of a watch.
    pub fn answer_text(mut self, what: &str, code: u16, body: &str) -> Self {
        self.answers.push_back((what.to_owned(), code, body.to_owned()));
        self
    }

    pub fn session(&self) -> Session {
        let answers = Arc::new(Mutex::new(self.answers.clone()));
        let asked = self.asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (answers, asked) = (answers.clone(), asked.clone());
            async move { Ok::<_, io::Error>(serve(request, &answers, &asked).await) }
        });
        Session {
            client: kube::Client::new(service, "default"),
            server: "mock:1".to_owned(),
            namespace: "default".to_owned(),
            namespace_given: false,
            request_timeout: None,
            screen: Screen::new(self.out.clone(), self.err.clone()),
            clock: Clock::from_fn(|| jiff::Timestamp::UNIX_EPOCH),
            warnings: RefCell::default(),
        }
    }

    /// The requests that changed something.
    pub fn writes(&self) -> Vec<Asked> {
        self.asked.all().into_iter().filter(|asked| !asked.what.starts_with("GET")).collect()
    }
}

async fn serve(request: Request<Body>, answers: &Mutex<VecDeque<Answer>>, asked: &Record<Asked>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let path = parts.uri.path().to_owned();
    if parts.method == Method::GET && (path == "/api" || path == "/apis") {
        let (core, groups) = sample_answers();
        let answer = if path == "/api" { core } else { groups };
        return Response::new(Body::from(answer.to_string().into_bytes()));
    }
    let content_type = parts.headers.get("content-type").map(|value| value.to_str().unwrap()).unwrap_or_default();
    asked.0.lock().unwrap().push(Asked {
        what: format!("{} {}", parts.method, parts.uri),
        content_type: content_type.to_owned(),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    });
    let what = format!("{} {path}", parts.method);
    let mut answers = answers.lock().unwrap();
    let found = answers.iter().position(|(known, _, _)| *known == what);
    let (code, body) = match found.and_then(|at| answers.remove(at)) {
        Some((_, code, body)) => (code, body),
        None => (404, not_found(&path).to_string()),
    };
    Response::builder().status(code).body(Body::from(body.into_bytes())).unwrap()
}

fn not_found(path: &str) -> Value {
    let mut parts = path.rsplit('/');
    let (name, plural) = (parts.next().unwrap(), parts.next().unwrap());
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
        "message": format!("{plural} {name:?} not found"),
    })
}
