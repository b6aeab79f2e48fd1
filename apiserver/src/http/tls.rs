//! The server's side of TLS: which certificate it shows, and whose clients it knows.

use std::sync::Arc;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// What the next connection will be met with. Clones share it, so that a certificate can be renewed live.
#[derive(Clone)]
pub struct Tls(Arc<ArcSwap<ServerConfig>>);

/// Certificates and a key, as PEM.
pub struct TlsFiles<'a> {
    /// The server's own certificate, and those between it and the authority.
    pub certificate: &'a str,
    pub key: &'a str,
    /// Whoever shows a certificate must have it from one of these.
    pub client_authorities: &'a str,
}

impl Tls {
    pub fn new(files: &TlsFiles<'_>) -> Result<Self> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(config(files)?))))
    }

    /// Later connections get these; earlier ones go on.
    pub fn replace(&self, files: &TlsFiles<'_>) -> Result<()> {
        self.0.store(Arc::new(config(files)?));
        Ok(())
    }

    pub(in crate::http) fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

fn config(files: &TlsFiles<'_>) -> Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in certificates(files.client_authorities).context("read the authorities of clients")? {
        roots.add(authority).context("take an authority of clients")?;
    }
    // A client without a certificate may still look at whether the server lives, and later bring a token.
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .context("prepare the check of client certificates")?;
    let chain = certificates(files.certificate).context("read the server's certificate")?;
    let key = PrivateKeyDer::from_pem_slice(files.key.as_bytes()).context("read the server's key")?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose the versions of TLS")?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .context("match the server's key with its certificate")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().context("parse PEM")
}
