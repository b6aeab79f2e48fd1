//! Sends the same through a Service and directly to what stands behind it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::figures::{Durations, Report};
use crate::room::Room;
use crate::work::ProxyOptions;

const PORT: u16 = 8_080;
/// How long the Service may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// So often is the endpoint published anew.
const PUBLISHED: usize = 20;
const PIECE: usize = 256 * 1_024;
const MESSAGE: usize = 64;

/// What a client asks for with its first byte.
const ECHO: u8 = 1;
const STREAM: u8 = 2;

pub async fn measure(
    cluster: &Cluster,
    room: &Room,
    options: &ProxyOptions,
    span: Duration,
    report: &mut Report,
) -> Result<()> {
    let listener = TcpListener::bind((options.address, 0)).await.context("listen for the proxy")?;
    let direct = listener.local_addr()?;
    let mut server = JoinSet::new();
    server.spawn(serve(listener));
    let mut connection = cluster.connect().await?;
    let service = make_service(&mut connection, room).await?;
    let mut publishing = publish(&mut connection, room, service, direct).await?;
    report.add_durations("endpoint to traffic", &mut publishing);
    // Each takes a share of the time, in turn, so that a busy moment of the machine is not blamed on one side.
    let part = span / 8;
    let mut sides = [Side::new("direct", direct), Side::new("through the proxy", service)];
    for _ in 0..4 {
        for side in &mut sides {
            side.measure(part).await?;
        }
    }
    for side in &mut sides {
        side.report(report);
    }
    let [direct, proxied] = &mut sides;
    report.add("proxy, throughput of direct", proxied.throughput() / direct.throughput() * 100.0, "%");
    let extra = proxied.round_trips.percentile(0.5).as_secs_f64() - direct.round_trips.percentile(0.5).as_secs_f64();
    report.add("proxy, added to a round trip", extra * 1e6, "us");
    server.shutdown().await;
    Ok(())
}

/// Makes a Service without a selector; returns its address.
async fn make_service(connection: &mut Connection, room: &Room) -> Result<SocketAddr> {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "proxied"},
        "spec": {"ports": [{"name": "tcp", "port": PORT}]}});
    let made = connection.create(&room.core("services"), service.to_string().into()).await?;
    let made: Value = serde_json::from_slice(&made).context("understand the service")?;
    let address = made["spec"]["clusterIP"].as_str().context("a service without an address")?;
    Ok(SocketAddr::new(address.parse().context("understand the service's address")?, PORT))
}

/// Publishes the slice that leads to us, several times, and at last for good: how long until the Service answers?
async fn publish(
    connection: &mut Connection,
    room: &Room,
    service: SocketAddr,
    endpoint: SocketAddr,
) -> Result<Durations> {
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "proxied", "labels": {"kubernetes.io/service-name": "proxied"}},
        "addressType": if endpoint.is_ipv4() { "IPv4" } else { "IPv6" },
        "ports": [{"name": "tcp", "protocol": "TCP", "port": endpoint.port()}],
        "endpoints": [{"addresses": [endpoint.ip()], "conditions": {"ready": true}}]});
    let path = format!("{}/proxied", room.slices());
    let mut durations = Durations::default();
    for round in 0..=PUBLISHED {
        let start = Instant::now();
        connection.create(&room.slices(), slice.to_string().into()).await?;
        until(service, true).await?;
        // The first time, the Service may not have been known for long.
        if round > 0 {
            durations.add(start.elapsed());
        }
        if round < PUBLISHED {
            connection.delete(&path).await?;
            until(service, false).await?;
        }
    }
    Ok(durations)
}

/// Waits until the Service answers, or no longer does.
async fn until(service: SocketAddr, answers: bool) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let answered = matches!(tokio::time::timeout(PATIENCE, echo_once(service)).await, Ok(Ok(())));
        if answered == answers {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    bail!("the service at {service} {} in {PATIENCE:?}", if answers { "does not answer" } else { "goes on answering" })
}

struct Side {
    name: &'static str,
    address: SocketAddr,
    bytes: u64,
    streaming: Duration,
    round_trips: Durations,
    connections: Durations,
}

impl Side {
    fn new(name: &'static str, address: SocketAddr) -> Self {
        let (round_trips, connections) = (Durations::default(), Durations::default());
        Self { name, address, bytes: 0, streaming: Duration::ZERO, round_trips, connections }
    }

    fn throughput(&self) -> f64 {
        self.bytes as f64 / self.streaming.as_secs_f64()
    }

    async fn measure(&mut self, span: Duration) -> Result<()> {
        self.stream(span / 2).await?;
        let mut stream = connect(self.address, ECHO).await?;
        self.repeat(span / 4, async |side| {
            let start = Instant::now();
            echo(&mut stream).await?;
            side.round_trips.add(start.elapsed());
            Ok(())
        })
        .await?;
        self.repeat(span / 4, async |side| {
            let start = Instant::now();
            echo_once(side.address).await?;
            side.connections.add(start.elapsed());
            Ok(())
        })
        .await
    }

    async fn repeat(&mut self, span: Duration, mut what: impl AsyncFnMut(&mut Self) -> Result<()>) -> Result<()> {
        let end = Instant::now() + span;
        while Instant::now() < end {
            what(self).await?;
        }
        Ok(())
    }

    async fn stream(&mut self, span: Duration) -> Result<()> {
        let mut stream = connect(self.address, STREAM).await?;
        let mut buffer = vec![0; PIECE];
        let start = Instant::now();
        while start.elapsed() < span {
            self.bytes += stream.read(&mut buffer).await.context("read the stream")? as u64;
        }
        self.streaming += start.elapsed();
        Ok(())
    }

    fn report(&mut self, report: &mut Report) {
        let name = self.name;
        report.add(format!("{name}, throughput"), self.throughput() / 1e6, "MB/s");
        report.add_durations(&format!("{name}, round trip"), &mut self.round_trips);
        report.add_durations(&format!("{name}, connection and round trip"), &mut self.connections);
    }
}

async fn connect(address: SocketAddr, wish: u8) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true)?;
    stream.write_all(&[wish]).await?;
    Ok(stream)
}

async fn echo_once(address: SocketAddr) -> Result<()> {
    echo(&mut connect(address, ECHO).await?).await
}

async fn echo(stream: &mut TcpStream) -> Result<()> {
    let mut message = [7; MESSAGE];
    stream.write_all(&message).await?;
    stream.read_exact(&mut message).await.context("hear the echo")?;
    Ok(())
}

async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    match stream.read_u8().await? {
        STREAM => {
            let piece = vec![7; PIECE];
            loop {
                stream.write_all(&piece).await?;
            }
        }
        _ => {
            let mut buffer = [0; 4_096];
            loop {
                let length = stream.read(&mut buffer).await?;
                if length == 0 {
                    return Ok(());
                }
                stream.write_all(&buffer[..length]).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_sides_are_measured_alike() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut side = Side::new("direct", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(serve(listener));
        until(side.address, true).await.unwrap();
        side.measure(Duration::from_millis(100)).await.unwrap();
        assert!(side.bytes > 0 && side.round_trips.len() > 0 && side.connections.len() > 0);
    }
}
