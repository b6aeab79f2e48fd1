//! The demo server of the image `skiff.dev/echo`: it answers every request with who it is and what was asked.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

const DEFAULT_PORT: u16 = 8080;
/// A connection without a request for this long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// More connections than this at once wait for one to end.
const CONNECTIONS: usize = 256;
/// How long requests under way may take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(5);
const LONGEST_HEAD: u64 = 64 * 1024;
const LONGEST_BODY: u64 = 3 * 1024 * 1024;

struct Server {
    pod: String,
    address: SocketAddr,
    /// Requests that are being answered.
    busy: AtomicUsize,
    connections: AtomicUsize,
}

/// Serves until it is told to stop. `--port N` wins over the variable `PORT`.
pub fn main(arguments: impl Iterator<Item = OsString>) -> i32 {
    match run(arguments) {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(io::stderr(), "skiff.dev/echo: {error:#}");
            1
        }
    }
}

fn run(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<()> {
    let arguments: Vec<String> = arguments.map(|text| text.to_string_lossy().into_owned()).collect();
    let port = port(&arguments, std::env::var("PORT").ok().as_deref())?;
    let ip: IpAddr = match std::env::var("POD_IP") {
        Ok(text) => text.parse()?,
        Err(_) => Ipv4Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(ip, port);
    // Blocked before any thread is there, so that the signal waits for this one.
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    signals.thread_block()?;
    let listener = TcpListener::bind(address).map_err(|error| anyhow::anyhow!("listen on {address}: {error}"))?;
    let datagrams = UdpSocket::bind(address).map_err(|error| anyhow::anyhow!("listen on {address}: {error}"))?;
    let pod = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_else(|_| "nobody".to_owned());
    let server = Server { pod, address, busy: AtomicUsize::new(0), connections: AtomicUsize::new(0) };
    let server = Arc::new(server);
    say(&format!("{} listens on {address}", server.pod));
    let other = Arc::clone(&server);
    start_thread(move || other.answer_datagrams(&datagrams))?;
    let other = Arc::clone(&server);
    start_thread(move || other.accept(&listener))?;
    let signal = signals.wait()?;
    say(&format!("{signal}: stopping"));
    let deadline = Instant::now() + DRAIN;
    while server.busy.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn port(arguments: &[String], variable: Option<&str>) -> anyhow::Result<u16> {
    let mut port = match variable {
        Some(text) => text.parse()?,
        None => DEFAULT_PORT,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = match argument.strip_prefix("--port") {
            Some("") => rest.next().map(String::as_str),
            Some(value) => value.strip_prefix('='),
            None => None,
        };
        port = value.ok_or_else(|| anyhow::anyhow!("unknown argument \"{argument}\"; there is --port N"))?.parse()?;
    }
    Ok(port)
}

/// Small stacks: hundreds of these may run at once.
fn start_thread(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().stack_size(128 * 1024).spawn(work).map(drop)
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

impl Server {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            let Ok((stream, client)) = listener.accept() else {
                // Out of descriptors, most likely: others have to end first.
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            while self.connections.load(Ordering::SeqCst) >= CONNECTIONS {
                std::thread::sleep(Duration::from_millis(1));
            }
            self.connections.fetch_add(1, Ordering::SeqCst);
            let server = Arc::clone(self);
            let started = start_thread(move || {
                // A client that goes away is no news.
                let _ = server.serve(&stream, client);
                server.connections.fetch_sub(1, Ordering::SeqCst);
            });
            if started.is_err() {
                self.connections.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    fn serve(&self, stream: &TcpStream, client: SocketAddr) -> io::Result<()> {
        stream.set_read_timeout(Some(IDLE))?;
        stream.set_write_timeout(Some(IDLE))?;
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader)? {
            self.busy.fetch_add(1, Ordering::SeqCst);
            let written = self.answer(stream, &request, client);
            self.busy.fetch_sub(1, Ordering::SeqCst);
            written?;
            if !request.keeps_alive {
                break;
            }
        }
        Ok(())
    }

    fn answer(&self, mut stream: &TcpStream, request: &Request, client: SocketAddr) -> io::Result<()> {
        let body = match request.path.split('?').next() {
            Some("/healthz") => "ok\n".to_owned(),
            _ => self.describe(request, client),
        };
        let connection = if request.keeps_alive { "keep-alive" } else { "close" };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
             Connection: {connection}\r\n\r\n",
            body.len()
        );
        let body = if request.method == "HEAD" { "" } else { &body };
        stream.write_all([head.as_str(), body].concat().as_bytes())
    }

    fn describe(&self, request: &Request, client: SocketAddr) -> String {
        let mut text = format!("pod: {}\naddress: {}\nclient: {client}\n", self.pod, self.address);
        text.push_str(&format!("{} {}\n", request.method, request.path));
        for header in &request.headers {
            text.push_str(header);
            text.push('\n');
        }
        text
    }

    fn answer_datagrams(&self, socket: &UdpSocket) {
        let mut buffer = [0; 4096];
        loop {
            let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
            let text = String::from_utf8_lossy(&buffer[..length]);
            let answer = format!("pod: {}\naddress: {}\nclient: {client}\n{text}", self.pod, self.address);
            let _ = socket.send_to(answer.as_bytes(), client);
        }
    }
}

struct Request {
    method: String,
    path: String,
    headers: Vec<String>,
    keeps_alive: bool,
}

impl Request {
    /// The next request of a connection, its body read and dropped; none at the end of the connection.
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = reader.take(LONGEST_HEAD);
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(path), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            keeps_alive: version == "HTTP/1.1",
        };
        let mut length = 0;
        loop {
            let mut line = String::new();
            if head.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            length = request.note_header(line, length)?;
            request.headers.push(line.to_owned());
        }
        if length > LONGEST_BODY {
            request.keeps_alive = false;
        } else {
            io::copy(&mut reader.take(length), &mut io::sink())?;
        }
        Ok(Some(request))
    }

    /// Notes what a header says of the body and of the connection; answers the length of the body.
    fn note_header(&mut self, line: &str, length: u64) -> io::Result<u64> {
        let Some((name, value)) = line.split_once(':') else { return Ok(length) };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => return value.parse().map_err(|_| io::ErrorKind::InvalidData.into()),
            // A body of unknown length is left unread: the connection ends after the answer.
            "transfer-encoding" => self.keeps_alive = false,
            "connection" if value.eq_ignore_ascii_case("close") => self.keeps_alive = false,
            "connection" if value.eq_ignore_ascii_case("keep-alive") => self.keeps_alive = true,
            _ => {}
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_comes_from_the_argument_the_variable_or_the_default() {
        let port = |arguments: &[&str], variable| {
            port(&arguments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), variable).ok()
        };
        assert_eq!(port(&[], None), Some(8080));
        assert_eq!(port(&[], Some("81")), Some(81));
        assert_eq!(port(&["--port", "82"], Some("81")), Some(82));
        assert_eq!(port(&["--port=83"], None), Some(83));
        assert_eq!(
            (port(&["--port"], None), port(&["--loud"], None), port(&["--port", "x"], None)),
            (None, None, None)
        );
    }

    #[test]
    fn requests_follow_each_other_on_one_connection() {
        let text =
            b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nConnection: close\r\n\r\n";
        let mut reader = BufReader::new(&text[..]);
        let first = Request::read(&mut reader).unwrap().unwrap();
        assert_eq!((first.method.as_str(), first.path.as_str(), first.keeps_alive), ("POST", "/a", true));
        let second = Request::read(&mut reader).unwrap().unwrap();
        assert_eq!((second.path.as_str(), second.keeps_alive), ("/b", false));
        assert!(Request::read(&mut reader).unwrap().is_none());
        assert!(Request::read(&mut &b"nonsense\r\n\r\n"[..]).is_err());
    }
}
