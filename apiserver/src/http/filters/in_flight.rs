//! Bounds how many requests are worked on at the same time.

use std::sync::Arc;

use api::failure::{Failure, Reason};
use http::request::Parts;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::app::App;
use crate::http::exchange::Exchange;
use crate::http::filters::filter::Filter;
use crate::http::measures::{Measures, SortLabels};

const READS: usize = 800;
const WRITES: usize = 400;

/// How many more reads and writes may begin.
pub struct InFlight {
    reads: Sort,
    writes: Sort,
}

struct Sort {
    free: Arc<Semaphore>,
    gauge: Gauge,
}

impl InFlight {
    pub fn new(measures: &Measures) -> Self {
        let sort = |request_kind, count| Sort {
            free: Arc::new(Semaphore::new(count)),
            gauge: measures.in_flight.get_or_create(&SortLabels { request_kind }).clone(),
        };
        Self { reads: sort("readOnly", READS), writes: sort("mutating", WRITES) }
    }
}

/// A place among those that are worked on, given back when it is dropped, also if the client hangs up.
pub struct Place {
    _permit: OwnedSemaphorePermit,
    gauge: Gauge,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

pub struct LimitInFlight;

impl Filter for LimitInFlight {
    fn before(&self, app: &App, exchange: &mut Exchange, _: &Parts) -> Result<(), Failure> {
        // Watches cost nothing while they wait: the number of connections and streams bounds them.
        if exchange.is_long_running() {
            return Ok(());
        }
        let verb = exchange.attributes.verb;
        let sort = if verb.is_read() { &app.in_flight.reads } else { &app.in_flight.writes };
        let permit = sort.free.clone().try_acquire_owned().map_err(|_| too_many())?;
        sort.gauge.inc();
        exchange.place_in_flight = Some(Place { _permit: permit, gauge: sort.gauge.clone() });
        Ok(())
    }
}

fn too_many() -> Failure {
    Failure::new(Reason::TooManyRequests, "too many requests, please try again later").retry_after(1)
}
