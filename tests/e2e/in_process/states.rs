//! States that many tests wait for.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Endpoints, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use tests::eventually::check;
use tests::objects::{Endpoint, address, is_ready, of_endpoints, of_slices, told};
use tests::simulation::Simulation;

/// Waits until there are exactly so many pods of an app, all of them ready, and gives them.
pub async fn ready_pods(simulation: &Simulation, app: &str, count: usize) -> Vec<Pod> {
    let what = format!("{count} pods of {app} are ready, and there are no others");
    simulation.eventually(&what, async || all_ready(simulation, app, count).await).await
}

pub async fn all_ready(simulation: &Simulation, app: &str, count: usize) -> Result<Vec<Pod>, String> {
    let pods: Vec<Pod> = simulation.list(&format!("app={app}")).await;
    check(pods.len() == count && pods.iter().all(is_ready), || told(&pods))?;
    Ok(pods)
}

/// What stands behind a Service, ready and not. Both forms of it must say the same.
pub async fn behind(
    simulation: &Simulation,
    service: &str,
) -> Result<(BTreeSet<Endpoint>, BTreeSet<Endpoint>), String> {
    let endpoints = simulation.api::<Endpoints>().get_opt(service).await.expect("ask for the Endpoints");
    let old = of_endpoints(&endpoints.ok_or("there are no Endpoints")?);
    let slices = slices(simulation, service).await;
    check(!slices.is_empty(), || "there are no slices".to_owned())?;
    let new = of_slices(&slices);
    check(old == new, || format!("Endpoints say {old:?}, EndpointSlices {new:?}"))?;
    Ok(new)
}

pub async fn slices(simulation: &Simulation, service: &str) -> Vec<EndpointSlice> {
    simulation.list(&format!("kubernetes.io/service-name={service}")).await
}

/// Waits until exactly these pods stand behind a Service, under the one port that it has.
pub async fn behind_are(simulation: &Simulation, service: &str, pods: &[Pod]) {
    let wanted: BTreeSet<String> = pods.iter().map(address).collect();
    let what = format!("{service} has the endpoints {wanted:?}");
    simulation
        .eventually(&what, async || {
            let (ready, unready) = behind(simulation, service).await?;
            let found: BTreeSet<String> = ready.iter().map(|(address, ..)| address.clone()).collect();
            check(found == wanted && unready.is_empty(), || format!("{ready:?} and not ready {unready:?}"))
        })
        .await;
}
