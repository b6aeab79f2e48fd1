//! Entries that cannot be served: each is logged once, and told to the Service's owner by an Event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::names::NamespacedName;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use lifecycle::tasks::Tasks;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::proxy::backend::Problem;

/// The most that the API lets an Event say.
const NOTE_LIMIT: usize = 1_024;
const DEADLINE: Duration = Duration::from_secs(10);

pub struct Troubles {
    known: BTreeSet<Problem>,
    /// A full channel loses the Event; the log has it.
    events: mpsc::Sender<Notice>,
}

/// What is wrong with one Service for one reason.
#[derive(Debug, PartialEq, Eq)]
struct Notice {
    service: NamespacedName,
    uid: String,
    reason: &'static str,
    note: String,
}

impl Troubles {
    pub fn new(client: Client, node: &str, tasks: &Tasks) -> Self {
        let (events, notices) = mpsc::channel(64);
        let reporter = Reporter { controller: "kube-proxy".to_owned(), instance: Some(node.to_owned()) };
        tasks.spawn_until_stop("proxy events", publish(Recorder::new(client, reporter), node.to_owned(), notices));
        Self { known: BTreeSet::new(), events }
    }

    /// Takes in all problems that there are now.
    pub fn report(&mut self, now: Vec<Problem>) {
        let now: BTreeSet<Problem> = now.into_iter().collect();
        for fixed in self.known.difference(&now) {
            let is_other =
                now.iter().any(|problem| problem.address == fixed.address && problem.protocol == fixed.protocol);
            if !is_other {
                info!(service = %fixed.service, address = %fixed.address, "address is served or no longer wanted");
            }
        }
        let fresh: Vec<&Problem> = now.difference(&self.known).collect();
        for problem in &fresh {
            warn!(service = %problem.service, reason = problem.reason, "{}", problem.message);
        }
        for notice in notices(&fresh) {
            if let Err(error) = self.events.try_send(notice) {
                debug!(%error, "event lost");
            }
        }
        self.known = now;
    }
}

fn notices(fresh: &[&Problem]) -> Vec<Notice> {
    let mut by_service: BTreeMap<(&NamespacedName, &str, &'static str), Vec<&str>> = BTreeMap::new();
    for problem in fresh {
        by_service.entry((&problem.service, &problem.uid, problem.reason)).or_default().push(&problem.message);
    }
    let notice = |((service, uid, reason), messages): ((&NamespacedName, &str, &'static str), Vec<&str>)| {
        let mut note = messages.join("; ");
        while note.len() > NOTE_LIMIT {
            note.pop();
        }
        Notice { service: service.clone(), uid: uid.to_owned(), reason, note }
    };
    by_service.into_iter().map(notice).collect()
}

async fn publish(recorder: Recorder, node: String, mut notices: mpsc::Receiver<Notice>) {
    while let Some(Notice { service, uid, reason, note }) = notices.recv().await {
        let regarding = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Service".to_owned()),
            namespace: Some(service.namespace.clone()),
            name: Some(service.name.clone()),
            uid: Some(uid),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: Some(note),
            action: "Listen".to_owned(),
            secondary: None,
        };
        match tokio::time::timeout(DEADLINE, recorder.publish(&event, &regarding)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%service, node, %error, "event not published"),
            Err(_) => debug!(%service, node, "event not published in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::backend::FAILED_TO_BIND;
    use crate::proxy::service::Protocol;

    #[test]
    fn a_service_gets_one_event_for_all_its_addresses() {
        let problem = |service: &str, port: u16| Problem {
            service: NamespacedName::new("default", service),
            uid: "u".to_owned(),
            protocol: Protocol::Tcp,
            address: ([127, 96, 0, 1], port).into(),
            reason: FAILED_TO_BIND,
            message: format!("{port} {}", "ä".repeat(300)),
        };
        let problems = [problem("a", 80), problem("a", 443), problem("b", 80)];
        let notices = notices(&problems.iter().collect::<Vec<_>>());
        assert_eq!(notices.len(), 2);
        assert!(notices[0].note.starts_with("80 ") && notices[0].note.contains("; 443 "));
        assert!(notices[0].note.len() <= NOTE_LIMIT);
    }
}
