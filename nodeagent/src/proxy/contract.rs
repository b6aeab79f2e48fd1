//! What every backend must do, shown with real sockets on the loopback.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::proxy::backend::{Backend, FAILED_TO_BIND, Place, Problem};
use crate::proxy::fixtures::{fresh_address, service, service_with, slice, slices_to, table};
use crate::proxy::service::Service;
use crate::proxy::slice::Slice;
use crate::proxy::sockets::Sockets;
use crate::proxy::table::NodeFacts;
use crate::proxy::{BACKENDS, Make};

const PORT: u16 = 8080;
const NODE_PORT: u16 = 30080;
const DEADLINE: Duration = Duration::from_secs(20);

/// A node with a backend, on an address of its own, and a Service with a cluster address of its own.
struct Stage {
    backend: Box<dyn Backend>,
    facts: NodeFacts,
    tasks: Tasks,
    cluster: SocketAddr,
    node: SocketAddr,
}

impl Stage {
    fn new(make: Make) -> Self {
        Self::beside(make, &Sockets::new(), fresh_address())
    }

    fn beside(make: Make, sockets: &Sockets, cluster: IpAddr) -> Self {
        let node = fresh_address();
        let facts = NodeFacts::new("here", vec![node]);
        let (tasks, metrics) = (Tasks::new(), Metrics::new());
        let backend = make(&Place { facts: &facts, sockets, tasks: &tasks, metrics: &metrics });
        Self { backend, facts, tasks, cluster: (cluster, PORT).into(), node: (node, NODE_PORT).into() }
    }

    fn service(&self, protocol: &str) -> Service {
        self.service_and(protocol, json!({}))
    }

    /// A NodePort Service with more of a spec.
    fn service_and(&self, protocol: &str, more: serde_json::Value) -> Service {
        let mut spec = json!({
            "type": "NodePort", "clusterIP": self.cluster.ip(),
            "ports": [{"protocol": protocol, "port": PORT, "nodePort": NODE_PORT}],
        });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        service(spec)
    }

    async fn apply(&mut self, services: &[(Service, Vec<Slice>)]) -> Vec<Problem> {
        self.backend.apply(&table(&self.facts, services)).await
    }

    async fn lead_to(&mut self, protocol: &str, endpoints: &[SocketAddr]) {
        let problems = self.apply(&[(self.service(protocol), slices_to(protocol, endpoints))]).await;
        assert_eq!(problems, []);
    }
}

/// A pod that says its name to whoever connects, and then all that it hears.
struct Echo {
    address: SocketAddr,
    name: String,
    _tasks: JoinSet<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind((fresh_address(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let name = format!("{address}\n");
        let mut tasks = JoinSet::new();
        let greeting = name.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let greeting = greeting.clone();
                connections.spawn(async move {
                    stream.write_all(greeting.as_bytes()).await.ok();
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await.ok();
                });
            }
        });
        Self { address, name, _tasks: tasks }
    }

    async fn start_udp() -> Self {
        let socket = UdpSocket::bind((fresh_address(), 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let name = format!("{address}\n");
        let mut tasks = JoinSet::new();
        let greeting = name.clone();
        tasks.spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
                let answer = [greeting.as_bytes(), &buffer[..length]].concat();
                socket.send_to(&answer, from).await.ok();
            }
        });
        Self { address, name, _tasks: tasks }
    }
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("done in time")
}

/// The name of the pod that answers there.
async fn name_at(address: SocketAddr) -> io::Result<(String, TcpStream)> {
    in_time(async {
        let mut stream = TcpStream::connect(address).await?;
        let name = read_line(&mut stream).await?;
        Ok((name, stream))
    })
    .await
}

async fn read_line(stream: &mut TcpStream) -> io::Result<String> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(line).unwrap())
}

async fn says_back(stream: &mut TcpStream, what: &[u8]) {
    stream.write_all(what).await.unwrap();
    let mut heard = vec![0; what.len()];
    in_time(stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, what);
}

/// Asks over UDP until an answer comes, as clients do; tells who answered.
async fn ask_udp(client: &UdpSocket, what: &[u8]) -> String {
    in_time(async {
        let mut buffer = [0; 2048];
        loop {
            client.send(what).await.ok();
            let answer = tokio::time::timeout(Duration::from_millis(500), client.recv(&mut buffer)).await;
            if let Ok(Ok(length)) = answer {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let (name, said) = text.split_once('\n').unwrap();
                assert_eq!(said.as_bytes(), what);
                return format!("{name}\n");
            }
        }
    })
    .await
}

async fn udp_client(to: SocketAddr) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(to).await.unwrap();
    client
}

/// Every case is run for every backend.
macro_rules! every_backend {
    ($(async fn $case:ident($stage:ident: Make) $body:block)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                for (_, make) in BACKENDS {
                    let $stage: Make = *make;
                    $body
                }
            }
        )*
    };
}

every_backend! {
    async fn bytes_go_both_ways_at_every_address(make: Make) {
        let mut stage = Stage::new(make);
        let pod = Echo::start().await;
        stage.lead_to("TCP", &[pod.address]).await;
        for address in [stage.cluster, stage.node] {
            let (name, mut stream) = name_at(address).await.unwrap();
            assert_eq!(name, pod.name);
            says_back(&mut stream, b"hello").await;
        }
    }

    async fn endpoints_take_turns(make: Make) {
        let mut stage = Stage::new(make);
        let (one, two, three) = (Echo::start().await, Echo::start().await, Echo::start().await);
        stage.lead_to("TCP", &[one.address, two.address, three.address]).await;
        let mut names = Vec::new();
        for _ in 0..9 {
            names.push(name_at(stage.cluster).await.unwrap().0);
        }
        for pod in [one, two, three] {
            assert_eq!(names.iter().filter(|name| **name == pod.name).count(), 3);
        }
    }

    async fn a_side_that_has_said_all_still_hears_the_answer(make: Make) {
        let mut stage = Stage::new(make);
        let listener = TcpListener::bind((fresh_address(), 0)).await.unwrap();
        stage.lead_to("TCP", &[listener.local_addr().unwrap()]).await;
        let mut client = TcpStream::connect(stage.cluster).await.unwrap();
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let (mut server, _) = in_time(listener.accept()).await.unwrap();
        let mut heard = String::new();
        in_time(server.read_to_string(&mut heard)).await.unwrap();
        assert_eq!(heard, "question");
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        heard.clear();
        in_time(client.read_to_string(&mut heard)).await.unwrap();
        assert_eq!(heard, "answer");
    }

    async fn large_amounts_arrive_whole_both_ways_at_once(make: Make) {
        const SIZE: usize = 24 << 20;
        let mut stage = Stage::new(make);
        let listener = TcpListener::bind((fresh_address(), 0)).await.unwrap();
        stage.lead_to("TCP", &[listener.local_addr().unwrap()]).await;
        let client = TcpStream::connect(stage.cluster).await.unwrap();
        let (server, _) = in_time(listener.accept()).await.unwrap();
        let exchange = |stream: TcpStream, seed: u64, expected: u64| async move {
            let (mut read, mut write) = stream.into_split();
            let sent = noise(seed, SIZE);
            let writing = tokio::spawn(async move {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            });
            let mut heard = Vec::with_capacity(SIZE);
            read.read_to_end(&mut heard).await.unwrap();
            writing.await.unwrap();
            assert!(heard == noise(expected, SIZE), "bytes differ");
        };
        in_time(async { tokio::join!(exchange(client, 1, 2), exchange(server, 2, 1)) }).await;
    }

    async fn a_connection_that_breaks_off_is_broken_off_on_the_other_side(make: Make) {
        let mut stage = Stage::new(make);
        let listener = TcpListener::bind((fresh_address(), 0)).await.unwrap();
        stage.lead_to("TCP", &[listener.local_addr().unwrap()]).await;
        for client_breaks in [true, false] {
            let client = TcpStream::connect(stage.cluster).await.unwrap();
            let (server, _) = in_time(listener.accept()).await.unwrap();
            let (breaking, mut left) = if client_breaks { (client, server) } else { (server, client) };
            socket2::SockRef::from(&breaking).set_linger(Some(Duration::ZERO)).unwrap();
            drop(breaking);
            let error = in_time(left.read_u8()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    }

    async fn an_endpoint_that_refuses_is_passed_over(make: Make) {
        let mut stage = Stage::new(make);
        let pod = Echo::start().await;
        let gone = Echo::start().await.address;
        stage.lead_to("TCP", &[gone, pod.address]).await;
        for _ in 0..6 {
            assert_eq!(name_at(stage.cluster).await.unwrap().0, pod.name);
        }
        stage.lead_to("TCP", &[gone]).await;
        assert!(name_at(stage.cluster).await.is_err());
    }

    async fn without_endpoints_clients_are_refused_at_once(make: Make) {
        let mut stage = Stage::new(make);
        let pod = Echo::start().await;
        for endpoints in [vec![], vec![pod.address], vec![]] {
            stage.lead_to("TCP", &endpoints).await;
            for address in [stage.cluster, stage.node] {
                match name_at(address).await {
                    Ok((name, _)) => assert_eq!(vec![name], endpoints.iter().map(|_| pod.name.clone()).collect::<Vec<_>>()),
                    Err(error) => {
                        assert_eq!((error.kind(), endpoints.len()), (io::ErrorKind::ConnectionRefused, 0));
                    }
                }
            }
        }
        stage.lead_to("UDP", &[]).await;
        let client = udp_client(stage.cluster).await;
        client.send(b"anyone?").await.unwrap();
        let error = in_time(client.recv(&mut [0; 9])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    async fn a_connection_outlives_its_endpoint_and_its_service_and_new_ones_go_elsewhere(make: Make) {
        let mut stage = Stage::new(make);
        let (one, two) = (Echo::start().await, Echo::start().await);
        stage.lead_to("TCP", &[one.address]).await;
        let (name, mut old) = name_at(stage.cluster).await.unwrap();
        assert_eq!(name, one.name);
        stage.lead_to("TCP", &[two.address]).await;
        assert_eq!(name_at(stage.cluster).await.unwrap().0, two.name);
        says_back(&mut old, b"still here").await;
        assert_eq!(stage.apply(&[]).await, []);
        assert_eq!(name_at(stage.cluster).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        says_back(&mut old, b"and still").await;
    }

    async fn no_client_notices_that_endpoints_are_replaced(make: Make) {
        let mut stage = Stage::new(make);
        let (one, two) = (Echo::start().await, Echo::start().await);
        stage.lead_to("TCP", &[one.address]).await;
        let (address, mut clients) = (stage.cluster, JoinSet::new());
        for number in 0..4 {
            clients.spawn(async move {
                for _ in 0..40 {
                    let (_, mut stream) = name_at(address).await.unwrap();
                    says_back(&mut stream, &noise(number, 70_000)).await;
                }
            });
        }
        let mut turns = 0;
        while !clients.is_empty() {
            let endpoint = if turns % 2 == 0 { two.address } else { one.address };
            stage.lead_to("TCP", &[endpoint]).await;
            turns += 1;
            if let Ok(Some(done)) = tokio::time::timeout(Duration::from_millis(1), clients.join_next()).await {
                done.unwrap();
            }
        }
        assert!(turns > 4);
    }

    async fn a_client_with_affinity_keeps_its_endpoint_at_every_address(make: Make) {
        let mut stage = Stage::new(make);
        let (one, two) = (Echo::start().await, Echo::start().await);
        let sticky = stage.service_and("TCP", json!({"sessionAffinity": "ClientIP"}));
        let both = slices_to("TCP", &[one.address, two.address]);
        stage.apply(&[(sticky.clone(), both.clone())]).await;
        let first = name_at(stage.cluster).await.unwrap().0;
        for address in [stage.cluster, stage.node, stage.cluster, stage.node] {
            assert_eq!(name_at(address).await.unwrap().0, first);
        }
        let (left, gone) = if first == one.name { (&two, &one) } else { (&one, &two) };
        stage.apply(&[(sticky.clone(), slices_to("TCP", &[left.address]))]).await;
        assert_eq!(name_at(stage.cluster).await.unwrap().0, left.name);
        stage.apply(&[(sticky, both)]).await;
        assert_eq!(name_at(stage.node).await.unwrap().0, left.name);
        assert_ne!(left.name, gone.name);
    }

    async fn datagrams_go_both_ways_and_clients_keep_their_endpoint(make: Make) {
        let mut stage = Stage::new(make);
        let (one, two) = (Echo::start_udp().await, Echo::start_udp().await);
        stage.lead_to("UDP", &[one.address, two.address]).await;
        let mut names = Vec::new();
        for address in [stage.cluster, stage.node, stage.cluster, stage.cluster] {
            let client = udp_client(address).await;
            let name = ask_udp(&client, b"first").await;
            assert_eq!(ask_udp(&client, b"second").await, name);
            names.push(name);
        }
        assert!(names.contains(&one.name) && names.contains(&two.name));
    }

    async fn a_datagram_after_its_endpoint_is_gone_goes_to_another(make: Make) {
        let mut stage = Stage::new(make);
        let (one, two) = (Echo::start_udp().await, Echo::start_udp().await);
        stage.lead_to("UDP", &[one.address]).await;
        let client = udp_client(stage.cluster).await;
        assert_eq!(ask_udp(&client, b"hello").await, one.name);
        stage.lead_to("UDP", &[two.address]).await;
        assert_eq!(ask_udp(&client, b"hello").await, two.name);
        // Its process is gone before the table says so.
        drop(two);
        let three = Echo::start_udp().await;
        ask_nobody(&client).await;
        stage.lead_to("UDP", &[three.address]).await;
        assert_eq!(ask_udp(&client, b"hello").await, three.name);
    }

    async fn an_endpoint_sees_the_address_of_a_client_on_the_loopback(make: Make) {
        let mut stage = Stage::new(make);
        let listener = TcpListener::bind((fresh_address(), 0)).await.unwrap();
        stage.lead_to("TCP", &[listener.local_addr().unwrap()]).await;
        let from = fresh_address();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let _client = socket.connect(stage.cluster).await.unwrap();
        let (_, seen) = in_time(listener.accept()).await.unwrap();
        assert_eq!(seen.ip(), from);
    }

    async fn clients_outside_the_source_ranges_get_no_answer(make: Make) {
        let mut stage = Stage::new(make);
        let pod = Echo::start().await;
        let ingress = fresh_address();
        for (range, may) in [("10.0.0.0/8", false), ("127.0.0.0/8", true)] {
            let balanced = service_with(
                json!({"name": "web", "namespace": "default"}),
                json!({"type": "LoadBalancer", "clusterIP": stage.cluster.ip(), "ports": [{"port": PORT}],
                       "loadBalancerSourceRanges": [range]}),
                json!({"loadBalancer": {"ingress": [{"ip": ingress}]}}),
            );
            stage.apply(&[(balanced, slices_to("TCP", &[pod.address]))]).await;
            assert_eq!(name_at((ingress, PORT).into()).await.is_ok(), may);
            assert_eq!(name_at(stage.cluster).await.unwrap().0, pod.name);
        }
    }

    async fn with_the_local_policy_only_clients_on_the_node_reach_endpoints_elsewhere(make: Make) {
        let mut stage = Stage::new(make);
        let pod = Echo::start().await;
        let local = stage.service_and("TCP", json!({"externalTrafficPolicy": "Local"}));
        let elsewhere = json!([{"addresses": [pod.address.ip().to_string()], "nodeName": "elsewhere"}]);
        let slices = vec![slice(pod.address.port(), elsewhere)];
        stage.apply(&[(local.clone(), slices.clone())]).await;
        assert!(name_at(stage.node).await.is_err());
        assert_eq!(name_at(stage.cluster).await.unwrap().0, pod.name);
        stage.facts.pod_ranges = vec!["127.0.0.0/8".parse().unwrap()];
        stage.apply(&[(local, slices)]).await;
        assert_eq!(name_at(stage.node).await.unwrap().0, pod.name);
    }

    async fn an_address_that_is_taken_is_reported_and_served_when_it_is_free(make: Make) {
        let mut stage = Stage::new(make);
        let pod = Echo::start().await;
        let other = TcpListener::bind(stage.node).await.unwrap();
        let wanted = [(stage.service("TCP"), slices_to("TCP", &[pod.address]))];
        let problems = stage.apply(&wanted).await;
        let told: Vec<_> = problems.iter().map(|problem| (problem.reason, problem.address)).collect();
        assert_eq!(told, [(FAILED_TO_BIND, stage.node)]);
        assert!(problems[0].message.contains("in use"), "{}", problems[0].message);
        assert_eq!(name_at(stage.cluster).await.unwrap().0, pod.name);
        drop(other);
        in_time(stage.backend.retry()).await;
        assert_eq!(stage.apply(&wanted).await, []);
        assert_eq!(name_at(stage.node).await.unwrap().0, pod.name);
    }

    async fn an_address_that_is_no_longer_wanted_is_free_at_once(make: Make) {
        let mut stage = Stage::new(make);
        let pod = Echo::start().await;
        for _ in 0..20 {
            stage.lead_to("TCP", &[pod.address]).await;
            let (_, _open) = name_at(stage.cluster).await.unwrap();
            stage.apply(&[]).await;
            let free = tokio::net::TcpSocket::new_v4().unwrap();
            free.set_reuseaddr(true).unwrap();
            free.bind(stage.cluster).unwrap();
            free.listen(1).unwrap();
        }
    }

    async fn a_stop_ends_all(make: Make) {
        let mut stage = Stage::new(make);
        let (pod, udp) = (Echo::start().await, Echo::start_udp().await);
        stage.lead_to("TCP", &[pod.address]).await;
        let (_, mut open) = name_at(stage.cluster).await.unwrap();
        let mut second = Stage::new(make);
        second.lead_to("UDP", &[udp.address]).await;
        ask_udp(&udp_client(second.cluster).await, b"hello").await;
        for stage in [stage, second] {
            in_time(stage.tasks.stop(Duration::from_secs(5))).await;
            assert_eq!(name_at(stage.cluster).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        }
        assert!(in_time(open.read_u8()).await.is_err());
    }

    async fn nodes_of_one_process_share_the_cluster_address(make: Make) {
        let (sockets, cluster) = (Sockets::new(), fresh_address());
        let mut first = Stage::beside(make, &sockets, cluster);
        let mut second = Stage::beside(make, &sockets, cluster);
        let pod = Echo::start().await;
        first.lead_to("TCP", &[pod.address]).await;
        second.lead_to("TCP", &[pod.address]).await;
        for address in [first.cluster, first.node, second.node] {
            assert_eq!(name_at(address).await.unwrap().0, pod.name);
        }
        let Stage { backend, tasks, .. } = first;
        drop(backend);
        in_time(tasks.stop(Duration::from_secs(5))).await;
        while name_at(second.cluster).await.is_err() {
            in_time(second.backend.retry()).await;
            second.lead_to("TCP", &[pod.address]).await;
        }
        assert_eq!(name_at(second.cluster).await.unwrap().0, pod.name);
    }
}

/// A datagram to a pod that is gone; returns when its host has had time to say so.
async fn ask_nobody(client: &UdpSocket) {
    client.send(b"hello?").await.ok();
    tokio::time::timeout(Duration::from_millis(50), client.recv(&mut [0; 9])).await.ok();
}

/// Bytes that are the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
