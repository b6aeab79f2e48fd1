//! What probes and hooks do to a container: ask it over HTTP, open a connection, run a command.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    Container, ExecAction, HTTPGetAction, LifecycleHandler, Probe, SleepAction, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::net::TcpStream;

use crate::runtime::interface::Runtime;

/// How much of an answer is told when it is a bad one.
const TOLD: usize = 1024;

/// One thing to do.
#[derive(Debug, Clone)]
pub enum Handler {
    Http(Box<HTTPGetAction>),
    Tcp(TCPSocketAction),
    Exec(ExecAction),
    Sleep(SleepAction),
    /// Something that this agent cannot do, by its name.
    Unsupported(&'static str),
}

impl Handler {
    pub fn of_probe(probe: &Probe) -> Self {
        if let Some(http) = &probe.http_get {
            return Self::Http(Box::new(http.clone()));
        }
        match (&probe.tcp_socket, &probe.exec) {
            (Some(tcp), _) => Self::Tcp(tcp.clone()),
            (_, Some(exec)) => Self::Exec(exec.clone()),
            _ if probe.grpc.is_some() => Self::Unsupported("a gRPC probe"),
            _ => Self::Unsupported("a probe without a handler"),
        }
    }

    pub fn of_hook(hook: &LifecycleHandler) -> Self {
        if let Some(http) = &hook.http_get {
            return Self::Http(Box::new(http.clone()));
        }
        match (&hook.exec, &hook.tcp_socket, &hook.sleep) {
            (Some(exec), ..) => Self::Exec(exec.clone()),
            (_, Some(tcp), _) => Self::Tcp(tcp.clone()),
            (_, _, Some(sleep)) => Self::Sleep(sleep.clone()),
            _ => Self::Unsupported("a hook without a handler"),
        }
    }
}

/// The container that it is done to.
#[derive(Clone)]
pub struct Target {
    pub runtime: Arc<dyn Runtime>,
    pub id: String,
    pub address: IpAddr,
    pub container: Arc<Container>,
}

impl Target {
    /// Does it; an error is what is told of the failure.
    pub async fn apply(&self, handler: &Handler, limit: Duration) -> Result<(), String> {
        match handler {
            Handler::Http(http) => self.get(http, limit).await,
            Handler::Tcp(tcp) => self.connect(tcp, limit).await,
            Handler::Exec(exec) => {
                let command = exec.command.as_deref().unwrap_or_default();
                match self.runtime.exec(&self.id, command, limit).await {
                    Ok(output) if output.code == 0 => Ok(()),
                    Ok(output) => Err(output.output),
                    Err(error) => Err(format!("{error:#}")),
                }
            }
            Handler::Sleep(sleep) => {
                let seconds = u64::try_from(sleep.seconds).unwrap_or(0);
                tokio::time::sleep(Duration::from_secs(seconds).min(limit)).await;
                Ok(())
            }
            Handler::Unsupported(what) => Err(format!("{what} is not supported on this node")),
        }
    }

    async fn connect(&self, tcp: &TCPSocketAction, limit: Duration) -> Result<(), String> {
        let port = self.port(&tcp.port)?;
        let host = tcp.host.clone().filter(|host| !host.is_empty()).unwrap_or_else(|| self.address.to_string());
        let connected = tokio::time::timeout(limit, TcpStream::connect((host.as_str(), port))).await;
        match connected {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("dial tcp {host}:{port}: {error}")),
            Err(_) => Err(format!("dial tcp {host}:{port}: i/o timeout")),
        }
    }

    async fn get(&self, http: &HTTPGetAction, limit: Duration) -> Result<(), String> {
        let port = self.port(&http.port)?;
        let host = http.host.clone().filter(|host| !host.is_empty());
        let host =
            host.unwrap_or_else(|| SocketAddr::new(self.address, 0).to_string().trim_end_matches(":0").to_owned());
        let scheme = http.scheme.as_deref().unwrap_or("HTTP").to_ascii_lowercase();
        let path = http.path.as_deref().unwrap_or("/");
        let slash = if path.starts_with('/') { "" } else { "/" };
        let url = format!("{scheme}://{host}:{port}{slash}{path}");
        let mut request = CLIENT.get(&url).timeout(limit).header("Accept", "*/*").header("Connection", "close");
        for header in http.http_headers.iter().flatten() {
            request = request.header(&header.name, &header.value);
        }
        let told = |error: reqwest::Error| match error.is_timeout() {
            true => format!("Get \"{url}\": context deadline exceeded"),
            false => format!("Get \"{url}\": {}", innermost(&error)),
        };
        let answer = request.send().await.map_err(told)?;
        let code = answer.status();
        if code.is_success() || code.is_redirection() {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default();
        tracing::debug!(url, body = text.chars().take(TOLD).collect::<String>(), "a probe was answered badly");
        Err(format!("HTTP probe failed with statuscode: {}", code.as_u16()))
    }

    /// A port by its number, or by the name that the container gives it.
    fn port(&self, port: &IntOrString) -> Result<u16, String> {
        let number = match port {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(name) => {
                let named = self.container.ports.iter().flatten();
                let named = named.into_iter().find(|port| port.name.as_deref() == Some(name));
                named.map(|port| port.container_port).or_else(|| name.parse().ok())
            }
        };
        let number = number.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0);
        number.ok_or_else(|| match port {
            IntOrString::Int(number) => format!("invalid port number: {number}"),
            IntOrString::String(name) => format!("couldn't find port: {name}"),
        })
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Each request has a connection of its own, so that a server that takes no more is noticed. Certificates are not
/// checked: who asks for HTTPS here wants to know that the server answers.
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let same_host = reqwest::redirect::Policy::custom(|attempt| {
        let before = attempt.previous().last().and_then(|url| url.host_str().map(str::to_owned));
        let is_same = attempt.url().host_str().map(str::to_owned) == before;
        if is_same && attempt.previous().len() < 10 { attempt.follow() } else { attempt.stop() }
    });
    reqwest::Client::builder()
        .user_agent("kube-probe/1.36")
        .redirect(same_host)
        .pool_max_idle_per_host(0)
        .no_proxy()
        .tls_backend_preconfigured(lifecycle::tls::any_server())
        .build()
        .expect("the settings go together")
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{RuntimeKind, Setting};
    use lifecycle::clock::Clock;
    use lifecycle::tasks::Tasks;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn target(container: Value) -> Target {
        let setting = Setting {
            pods_dir: std::env::temp_dir(),
            clock: Clock::system(),
            tasks: Tasks::new(),
            program: "/proc/self/exe".into(),
            ends_with_agent: false,
        };
        Target {
            runtime: RuntimeKind::Simulated.make(&setting).unwrap(),
            id: "1".to_owned(),
            address: "127.0.0.1".parse().unwrap(),
            container: Arc::new(serde_json::from_value(container).unwrap()),
        }
    }

    /// Answers one request, and tells what it was.
    async fn server(answer: &'static str) -> (u16, impl Future<Output = String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (port, async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        })
    }

    fn handler(probe: Value) -> Handler {
        Handler::of_probe(&serde_json::from_value(probe).unwrap())
    }

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_page_is_asked_for_and_its_code_counts() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Ok(())),
            ("HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", Ok(())),
            ("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", Err("HTTP probe failed with statuscode: 503".to_owned())),
        ] {
            let (port, served) = server(answer).await;
            let target = target(json!({ "name": "c", "ports": [{ "name": "web", "containerPort": port }] }));
            let headers = json!([{ "name": "X-Mark", "value": "7" }]);
            let probe = handler(json!({ "httpGet": { "port": "web", "path": "/ok?x", "httpHeaders": headers } }));
            let (result, request) = tokio::join!(target.apply(&probe, LIMIT), served);
            assert_eq!(result, expected);
            let request = request.to_ascii_lowercase();
            assert!(request.starts_with("get /ok?x http/1.1\r\n") && request.contains("x-mark: 7\r\n"), "{request}");
            assert!(request.contains("user-agent: kube-probe/1.36\r\n"), "{request}");
        }
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_fails_and_is_named() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let target = target(json!({ "name": "c" }));
        let refused = target.apply(&handler(json!({ "tcpSocket": { "port": free } })), LIMIT).await.unwrap_err();
        assert!(refused.contains(&format!("dial tcp 127.0.0.1:{free}")) && refused.contains("refused"), "{refused}");
        let unknown = target.apply(&handler(json!({ "tcpSocket": { "port": "web" } })), LIMIT).await.unwrap_err();
        assert_eq!(unknown, "couldn't find port: web");
        let page = target.apply(&handler(json!({ "httpGet": { "port": free } })), LIMIT).await.unwrap_err();
        assert!(page.contains("refused"), "{page}");
        let grpc = target.apply(&handler(json!({ "grpc": { "port": free } })), LIMIT).await.unwrap_err();
        assert!(grpc.contains("not supported"), "{grpc}");
    }
}
