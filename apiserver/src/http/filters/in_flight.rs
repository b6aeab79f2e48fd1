//! Bounds how many requests are worked on at the same time. Others wait for their turn, within their deadline.

use std::future::Future;

use api::failure::{Failure, Reason};
use axum::response::Response;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Semaphore;

use crate::http::exchange::Exchange;
use crate::http::measures::{Measures, SortLabels};
use crate::http::reply::failure;

const READS: usize = 400;
const WRITES: usize = 200;
/// Beyond this, waiting is no service to anybody.
const MOST_WAITING: i64 = 10_000;

/// How many more reads and writes may begin.
pub struct InFlight {
    reads: Sort,
    writes: Sort,
}

struct Sort {
    free: Semaphore,
    /// Those that wait or are worked on.
    present: Gauge,
    limit: i64,
}

impl InFlight {
    pub fn new(measures: &Measures) -> Self {
        let sort = |request_kind, count: usize| Sort {
            free: Semaphore::new(count),
            present: measures.in_flight.get_or_create(&SortLabels { request_kind }).clone(),
            limit: count as i64 + MOST_WAITING,
        };
        Self { reads: sort("readOnly", READS), writes: sort("mutating", WRITES) }
    }

    /// Lets the answer begin when it is its turn.
    pub async fn admit(&self, exchange: &Exchange, answer: impl Future<Output = Response>) -> Response {
        // Watches cost nothing while they wait: the number of connections and streams bounds them.
        if exchange.is_long_running() {
            return answer.await;
        }
        let sort = if exchange.attributes.verb.is_read() { &self.reads } else { &self.writes };
        let _present = Present::new(&sort.present);
        if sort.present.get() > sort.limit {
            return failure::failure(&too_many());
        }
        match sort.free.acquire().await {
            Ok(_permit) => answer.await,
            Err(_) => failure::failure(&too_many()),
        }
    }
}

/// A request in the count, also if its client hangs up.
struct Present<'a>(&'a Gauge);

impl<'a> Present<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn too_many() -> Failure {
    Failure::new(Reason::TooManyRequests, "too many requests, please try again later").retry_after(1)
}
