//! The cluster to measure, as a kubeconfig describes it. Nothing else is ever talked to.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use http::HeaderValue;
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::connection::Connection;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http1,
    Http2,
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "1" | "1.1" => Ok(Self::Http1),
            "2" => Ok(Self::Http2),
            other => Err(format!("{other} is not 1 or 2")),
        }
    }
}

/// Where the server is, and what it knows its client by.
pub struct Cluster {
    pub host: String,
    pub port: u16,
    /// Before every path; mostly empty.
    pub prefix: String,
    pub authority: HeaderValue,
    pub token: Option<HeaderValue>,
    pub tls: Option<(TlsConnector, ServerName<'static>)>,
    pub version: Version,
}

impl Cluster {
    pub async fn open(file: Option<&Path>, context: Option<&str>, version: Version) -> Result<Self> {
        let kubeconfig = match file {
            Some(file) => Kubeconfig::read_from(file),
            None => Kubeconfig::read(),
        };
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig.context("read the kubeconfig")?, &options)
            .await
            .context("understand the kubeconfig")?;
        let uri = &config.cluster_url;
        let host = uri.host().ok_or_else(|| anyhow!("the kubeconfig's server has no host"))?.to_owned();
        let is_secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Ok(Self {
            tls: if is_secure { Some(tls(&config, &host, version)?) } else { None },
            token: token(&config)?,
            authority: HeaderValue::from_str(&format!("{host}:{port}")).context("name the server")?,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            version,
        })
    }

    /// A client of its own, with a connection of its own.
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(self).await
    }
}

fn tls(config: &kube::Config, host: &str, version: Version) -> Result<(TlsConnector, ServerName<'static>)> {
    let mut client = config.rustls_client_config().context("set up TLS")?;
    client.alpn_protocols = vec![match version {
        Version::Http1 => b"http/1.1".to_vec(),
        Version::Http2 => b"h2".to_vec(),
    }];
    let name = config.tls_server_name.clone().unwrap_or_else(|| host.trim_matches(['[', ']']).to_owned());
    let name = ServerName::try_from(name).context("name the server")?;
    Ok((TlsConnector::from(Arc::new(client)), name))
}

fn token(config: &kube::Config) -> Result<Option<HeaderValue>> {
    use kube::config::AuthInfo;
    let AuthInfo { token_file, exec, auth_provider, username, .. } = &config.auth_info;
    if exec.is_some() || auth_provider.is_some() || username.is_some() {
        bail!("only client certificates and tokens are understood in a kubeconfig");
    }
    let from_file = token_file.as_ref().map(std::fs::read_to_string).transpose().context("read the token")?;
    // The secret's own type is not for reading; its kubeconfig form is.
    let written = serde_json::to_value(&config.auth_info).context("read the kubeconfig's user")?;
    let text = written["token"].as_str().map(str::to_owned).or(from_file);
    let value = text.map(|text| HeaderValue::from_str(&format!("Bearer {}", text.trim())));
    value.transpose().context("use the token")
}
