//! The cluster's own certificate authority, and the certificates of its parts.
//!
//! The authority is made once and kept; everything it signs is made anew at each start, which costs a
//! millisecond and follows every change of name or address.

use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// Who a certificate speaks for: a user, and the group it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub user: String,
    pub group: Option<String>,
}

impl Subject {
    pub fn admin() -> Self {
        Self { user: "skiff-admin".to_owned(), group: Some(api::well_known::identity::MASTERS.to_owned()) }
    }

    pub fn controller_manager() -> Self {
        Self { user: api::well_known::identity::CONTROLLER_MANAGER.to_owned(), group: None }
    }

    pub fn node(name: &str) -> Self {
        let user = format!("{}{name}", api::well_known::identity::NODE_PREFIX);
        Self { user, group: Some(api::well_known::identity::NODES.to_owned()) }
    }
}

/// A certificate with its key, both as PEM.
#[derive(Clone)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// Signs for one cluster.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Long before anybody's clock: a machine without a battery-backed one starts in the past.
const NOT_BEFORE: (i32, u8, u8) = (2000, 1, 1);
const NOT_AFTER: (i32, u8, u8) = (2100, 1, 1);

impl Authority {
    /// Reads the authority kept in `folder`, or makes it.
    pub fn open(folder: &Path) -> Result<Self> {
        let (certificate, key) = (folder.join("ca.crt"), folder.join("ca.key"));
        if key.exists() {
            let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()));
            return Self::from_pem(read(&certificate)?, &read(&key)?)
                .with_context(|| format!("read the certificate authority in {}", folder.display()));
        }
        let made = Self::generate()?;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).context("create the folder for keys")?;
        // The key last: its presence says that both are whole.
        write_private(&certificate, &made.certificate)?;
        write_private(&key, &made.issuer.key().serialize_pem())?;
        Ok(made)
    }

    pub fn generate() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new()).context("prepare the certificate authority")?;
        params.distinguished_name.push(DnType::CommonName, "skiff-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_lifetime(&mut params);
        let key = KeyPair::generate().context("generate the authority's key")?;
        let certificate = params.self_signed(&key).context("sign the authority's certificate")?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    fn from_pem(certificate: String, key: &str) -> Result<Self> {
        let key = KeyPair::from_pem(key).context("parse ca.key")?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).context("parse ca.crt")?;
        Ok(Self { certificate, issuer })
    }

    /// The certificate that clients trust, as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// For a server that answers under these names and addresses.
    pub fn issue_server(&self, names: &[&str], addresses: &[IpAddr]) -> Result<Identity> {
        let subjects: Vec<String> =
            names.iter().map(ToString::to_string).chain(addresses.iter().map(ToString::to_string)).collect();
        let mut params = CertificateParams::new(subjects).context("prepare the server's certificate")?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// For a client: the common name is its user, the organization its group.
    pub fn issue_client(&self, subject: &Subject) -> Result<Identity> {
        let mut params = CertificateParams::new(Vec::new()).context("prepare a client's certificate")?;
        params.distinguished_name.push(DnType::CommonName, subject.user.as_str());
        if let Some(group) = &subject.group {
            params.distinguished_name.push(DnType::OrganizationName, group.as_str());
        }
        self.issue(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        set_lifetime(&mut params);
        let key = KeyPair::generate().context("generate a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("sign a certificate")?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn set_lifetime(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(NOT_BEFORE.0, NOT_BEFORE.1, NOT_BEFORE.2);
    params.not_after = date_time_ymd(NOT_AFTER.0, NOT_AFTER.1, NOT_AFTER.2);
}

/// The PEM form of a certificate.
pub fn certificate_pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// Writes a file that only its owner can read: whole or not at all, also when the power is cut.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    let write = || -> std::io::Result<()> {
        match std::fs::remove_file(temporary) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(temporary, path)
    };
    write().with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_authority_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let pki = folder.path().join("pki");
        let first = Authority::open(&pki).unwrap().certificate().to_owned();
        assert_eq!(Authority::open(&pki).unwrap().certificate(), first);
        let mode = std::fs::metadata(pki.join("ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_authority_that_was_read_back_signs_what_clients_trust() {
        let folder = tempfile::tempdir().unwrap();
        Authority::open(folder.path()).unwrap();
        let authority = Authority::open(folder.path()).unwrap();
        let identity = authority.issue_client(&Subject::node("a")).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pem(authority.certificate())).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        let now = rustls::pki_types::UnixTime::now();
        verifier.verify_client_cert(&pem(&identity.certificate), &[], now).unwrap();
    }

    fn pem(text: &str) -> rustls::pki_types::CertificateDer<'static> {
        rustls::pki_types::pem::PemObject::from_pem_slice(text.as_bytes()).unwrap()
    }
}
