//! Creates objects, as fast as one client can and as fast as many can.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::figures::Report;
use crate::objects;
use crate::room::Room;
use crate::work::CreateOptions;
use crate::work::load::{self, Bound, Deed, Template};

pub async fn measure(
    cluster: &Cluster,
    room: &Room,
    options: &CreateOptions,
    span: Duration,
    report: &mut Report,
) -> Result<()> {
    let size = usize::try_from(options.size)?;
    let template = Arc::new(match options.kind.as_str() {
        "pods" => Template::of(|name| objects::pod(name, size))?,
        _ => Template::of(|name| objects::config_map(name, size))?,
    });
    for writers in &options.writers {
        let (path, template) = (room.core(&options.kind), template.clone());
        let writers = *writers;
        let deed: Deed = Arc::new(move |connection, number| {
            let (path, body) = (path.clone(), template.named(&format!("w{writers}-{number:07}")));
            Box::pin(async move { connection.create(&path, body).await.map(drop) })
        });
        let bound = Bound { span, count: u64::MAX };
        let done = load::run(cluster, usize::from(writers), bound, deed).await?;
        done.report(&format!("create, {writers} writers"), report);
    }
    Ok(())
}
