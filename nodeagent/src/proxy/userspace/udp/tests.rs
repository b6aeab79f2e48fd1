//! How long a client is remembered, and how many are.

use lifecycle::metrics::Metrics;
use lifecycle::tasks::Tasks;
use serde_json::json;

use super::*;
use crate::proxy::backend::{Backend, Place};
use crate::proxy::fixtures::{fresh_address, service, slices_to, table};
use crate::proxy::sockets::Sockets;
use crate::proxy::table::NodeFacts;
use crate::proxy::userspace::Userspace;

struct Stage {
    backend: Userspace,
    facts: NodeFacts,
    metrics: Metrics,
    sockets: Sockets,
    cluster: SocketAddr,
    pod: UdpSocket,
}

impl Stage {
    async fn start() -> Self {
        let (metrics, sockets, facts) = (Metrics::new(), Sockets::new(), NodeFacts::default());
        let place = Place { facts: &facts, sockets: &sockets, tasks: &Tasks::new(), metrics: &metrics };
        let backend = Userspace::new(&place);
        let pod = UdpSocket::bind((fresh_address(), 0)).await.unwrap();
        let cluster = (fresh_address(), 5353).into();
        let mut stage = Self { backend, facts, metrics, sockets, cluster, pod };
        stage.lead_to(&[stage.pod.local_addr().unwrap()]).await;
        stage
    }

    async fn lead_to(&mut self, endpoints: &[SocketAddr]) {
        let spec = json!({"clusterIP": self.cluster.ip(), "ports": [{"protocol": "UDP", "port": 5353}]});
        let wanted = table(&self.facts, &[(service(spec), slices_to("UDP", endpoints))]);
        assert_eq!(self.backend.apply(&wanted).await, []);
    }

    async fn ask(&self, client: &UdpSocket, answers: bool) {
        client.send_to(b"?", self.cluster).await.unwrap();
        let mut buffer = [0; 9];
        let (_, from) = self.pod.recv_from(&mut buffer).await.unwrap();
        if answers {
            self.pod.send_to(b"!", from).await.unwrap();
            client.recv_from(&mut buffer).await.unwrap();
        }
    }

    fn flows(&self) -> usize {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix("skiff_proxy_datagram_flows ")).unwrap();
        line.parse().unwrap()
    }

    /// Lets so much time pass, and what is due then happen.
    async fn pass(&self, time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        tokio::time::resume();
    }
}

async fn client() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

#[tokio::test]
async fn a_silent_client_is_forgotten_and_one_that_talks_is_kept_longer() {
    let stage = Stage::start().await;
    let (asks_once, talks) = (client().await, client().await);
    stage.ask(&asks_once, true).await;
    stage.ask(&talks, true).await;
    stage.ask(&talks, true).await;
    assert_eq!(stage.flows(), 2);
    stage.pass(SILENCE_AFTER_QUESTION + Duration::from_secs(1)).await;
    assert_eq!(stage.flows(), 1);
    stage.ask(&talks, true).await;
    stage.pass(SILENCE_IN_TALK + Duration::from_secs(1)).await;
    assert_eq!(stage.flows(), 0);
}

#[tokio::test]
async fn flows_end_with_their_endpoint() {
    let mut stage = Stage::start().await;
    stage.ask(&client().await, false).await;
    assert_eq!(stage.flows(), 1);
    stage.lead_to(&["127.0.0.1:9".parse().unwrap()]).await;
    while stage.flows() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_room_a_new_client_takes_the_place_of_one_that_is_silent() {
    let stage = Stage::start().await;
    let room = stage.sockets.flows().available_permits();
    let _taken = stage.sockets.flows().clone().try_acquire_many_owned(u32::try_from(room).unwrap() - 1).unwrap();
    let (old, new) = (client().await, client().await);
    stage.ask(&old, true).await;
    new.send_to(b"no room", stage.cluster).await.unwrap();
    stage.pass(SHORT_SILENCE).await;
    stage.ask(&new, true).await;
    assert_eq!(stage.flows(), 1);
}
