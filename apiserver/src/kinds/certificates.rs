//! What is read of certificates, and of requests for them.

use api::field::{FieldError, FieldErrors, Path};
use api::names::{self, NameRule};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate, X509CertificationRequest};
use x509_parser::public_key::PublicKey;

const LONGEST_DOMAIN: usize = 253;
const LONGEST_SIGNER: usize = LONGEST_DOMAIN + 1 + 253 + 63 + 1;

/// Whether these bytes are a request that is signed with its own key.
pub fn check_request(pem: &[u8]) -> Result<(), String> {
    let block = Pem::iter_from_buffer(pem).next().and_then(Result::ok);
    let block = block.filter(|block| block.label == "CERTIFICATE REQUEST");
    let block = block.ok_or_else(|| "PEM block type must be CERTIFICATE REQUEST".to_owned())?;
    let (_, request) = X509CertificationRequest::from_der(&block.contents)
        .map_err(|error| format!("malformed certificate request: {error}"))?;
    request.verify_signature().map_err(|_| match request.certification_request_info.subject_pki.parsed() {
        Ok(PublicKey::RSA(_)) => "crypto/rsa: verification error".to_owned(),
        Ok(PublicKey::EC(_)) => "x509: ECDSA verification failure".to_owned(),
        _ => "x509: Ed25519 verification failure".to_owned(),
    })
}

/// Whether these bytes are certificates and nothing else; no bytes are no certificate yet.
pub fn check_chain(pem: &[u8]) -> Result<(), String> {
    if pem.is_empty() {
        return Ok(());
    }
    if has_headers(pem) {
        return Err("no PEM block headers are permitted".to_owned());
    }
    let mut count = 0;
    // What is no block is passed over, as upstream does.
    for block in Pem::iter_from_buffer(pem).flatten() {
        if block.label != "CERTIFICATE" {
            return Err(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", block.label));
        }
        X509Certificate::from_der(&block.contents).map_err(|_| "x509: malformed certificate".to_owned())?;
        count += 1;
    }
    if count == 0 { Err("must contain at least one CERTIFICATE PEM block".to_owned()) } else { Ok(()) }
}

/// Whether a certificate of an authority can be read in these bytes.
pub fn check_authority(pem: &[u8]) -> Result<(), String> {
    let blocks: Vec<Pem> = Pem::iter_from_buffer(pem).flatten().collect();
    let mut certificates = blocks.iter().filter(|block| block.label == "CERTIFICATE").peekable();
    let why = match certificates.peek() {
        _ if blocks.is_empty() => "unable to parse bytes as PEM block",
        None => "no valid certificate authority data seen",
        Some(_) => "failed to parse certificate: x509: malformed certificate",
    };
    let is_readable = |block: &Pem| X509Certificate::from_der(&block.contents).is_ok();
    if certificates.any(is_readable) { Ok(()) } else { Err(why.to_owned()) }
}

/// Whether a block says more of itself than of what sort it is.
fn has_headers(pem: &[u8]) -> bool {
    let mut inside = false;
    for line in pem.split(|byte| *byte == b'\n') {
        match line {
            _ if line.starts_with(b"-----BEGIN ") => inside = true,
            _ if line.starts_with(b"-----END ") => inside = false,
            _ if inside && line.contains(&b':') => return true,
            _ => {}
        }
    }
    false
}

/// `example.com/signer`.
pub fn signer_name(name: &str, path: &Path, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    let Some((domain, rest)) = name.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.push(FieldError::invalid(path, name, why));
        return;
    };
    if domain.len() > LONGEST_DOMAIN {
        errors.push(FieldError::too_long(path, LONGEST_DOMAIN));
    }
    validate_labels(domain, names::dns_label, path, errors);
    if !domain.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        errors.push(FieldError::invalid(path, domain, why));
    }
    validate_labels(rest, names::dns_subdomain, path, errors);
    if name.len() > LONGEST_SIGNER {
        errors.push(FieldError::too_long(path, LONGEST_SIGNER));
    }
}

/// Tells of the first part between dots that is wrong: the others would be told in the same words.
fn validate_labels(value: &str, rule: NameRule, path: &Path, errors: &mut FieldErrors) {
    let wrong = value.split('.').find_map(|label| Some((label, rule(label).err()?)));
    if let Some((label, why)) = wrong {
        errors.push(FieldError::invalid(path, value, format!("validating label {label:?}: {why}")));
    }
}

/// A request as it stands in an object, for tests.
#[cfg(test)]
pub fn sample_request() -> String {
    use base64::Engine;
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::new(Vec::new()).unwrap().serialize_request(&key).unwrap();
    base64::engine::general_purpose::STANDARD.encode(request.pem().unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_request_is_not_signed_any_more() {
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
        let request = request.serialize_request(&key).unwrap();
        assert_eq!(check_request(request.pem().unwrap().as_bytes()), Ok(()));
        let mut der = request.der().to_vec();
        let place = der.windows(13).position(|part| part == b"a.example.com").unwrap();
        der[place] = b'b';
        let pem = {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
        };
        assert_eq!(check_request(pem.as_bytes()).unwrap_err(), "x509: ECDSA verification failure");
    }

    #[test]
    fn a_chain_is_certificates_and_nothing_else() {
        let block = |kind: &str, body: &str| format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n");
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
        for fine in [String::new(), own.clone(), format!("depth: 0\n{own}\n{own}and so on")] {
            assert_eq!(check_chain(fine.as_bytes()), Ok(()), "{fine}");
        }
        assert_eq!(check_authority(own.as_bytes()), Ok(()));
        for (wrong, told) in [
            ("x".to_owned(), "unable to parse bytes as PEM block"),
            (block("KEY", "eA=="), "no valid certificate authority data seen"),
            (block("CERTIFICATE", "eA=="), "failed to parse certificate: x509: malformed certificate"),
        ] {
            assert_eq!(check_authority(wrong.as_bytes()).unwrap_err(), told, "{wrong}");
        }
        for (wrong, told) in [
            ("x".to_owned(), "must contain at least one CERTIFICATE PEM block"),
            (block("KEY", "eA=="), "only CERTIFICATE PEM blocks are allowed, found \"KEY\""),
            (block("CERTIFICATE", "eA=="), "x509: malformed certificate"),
            (block("CERTIFICATE", "a: b\n\neA=="), "no PEM block headers are permitted"),
        ] {
            assert_eq!(check_chain(wrong.as_bytes()).unwrap_err(), told, "{wrong}");
        }
    }
}
