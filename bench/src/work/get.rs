//! Reads one object, as fast as one client can and as fast as many can.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::figures::Report;
use crate::objects;
use crate::room::Room;
use crate::work::GetOptions;
use crate::work::load::{self, Bound, Deed};

pub async fn measure(
    cluster: &Cluster,
    room: &Room,
    options: &GetOptions,
    span: Duration,
    report: &mut Report,
) -> Result<()> {
    let mut connection = cluster.connect().await?;
    connection.create(&room.core("configmaps"), objects::config_map("read-me", 2_048)).await?;
    let path = format!("{}/read-me", room.core("configmaps"));
    for readers in &options.readers {
        let path = path.clone();
        let deed: Deed = Arc::new(move |connection, _| {
            let path = path.clone();
            Box::pin(async move { connection.get(&path).await.map(drop) })
        });
        let bound = Bound { span, count: u64::MAX };
        let done = load::run(cluster, usize::from(*readers), bound, deed).await?;
        done.report(&format!("get, {readers} readers"), report);
    }
    connection.delete(&path).await
}
