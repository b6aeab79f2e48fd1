//! What is read of certificates, and of requests for them.

use api::field::{FieldError, FieldErrors, Path};
use api::names;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate, X509CertificationRequest};

const LONGEST_DOMAIN: usize = 253;
const LONGEST_SIGNER: usize = LONGEST_DOMAIN + 1 + 253 + 63 + 1;

/// Whether these bytes are a request that is signed with its own key.
pub fn check_request(pem: &[u8]) -> Result<(), String> {
    let block = Pem::iter_from_buffer(pem).next().and_then(Result::ok);
    let block = block.filter(|block| block.label == "CERTIFICATE REQUEST");
    let block = block.ok_or_else(|| "PEM block type must be CERTIFICATE REQUEST".to_owned())?;
    let (_, request) = X509CertificationRequest::from_der(&block.contents)
        .map_err(|error| format!("malformed certificate request: {error}"))?;
    request.verify_signature().map_err(|_| "certificate request signature is not valid".to_owned())
}

/// Whether these bytes are certificates and nothing else; no bytes are no certificate yet.
pub fn check_chain(pem: &[u8]) -> Result<(), String> {
    if pem.is_empty() {
        return Ok(());
    }
    let mut count = 0;
    for block in Pem::iter_from_buffer(pem) {
        let block = block.map_err(|error| format!("malformed PEM block: {error}"))?;
        if block.label != "CERTIFICATE" {
            return Err(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", block.label));
        }
        X509Certificate::from_der(&block.contents).map_err(|error| format!("malformed certificate: {error}"))?;
        count += 1;
    }
    if count == 0 { Err("must contain at least one CERTIFICATE PEM block".to_owned()) } else { Ok(()) }
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
    for label in domain.split('.') {
        if let Err(why) = names::dns_label(label) {
            errors.push(FieldError::invalid(path, domain, format!("validating label {label:?}: {why}")));
        }
    }
    if !domain.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        errors.push(FieldError::invalid(path, domain, why));
    }
    for label in rest.split('.') {
        if let Err(why) = names::dns_subdomain(label) {
            errors.push(FieldError::invalid(path, rest, format!("validating label {label:?}: {why}")));
        }
    }
    if name.len() > LONGEST_SIGNER {
        errors.push(FieldError::too_long(path, LONGEST_SIGNER));
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
        assert_eq!(check_request(pem.as_bytes()).unwrap_err(), "certificate request signature is not valid");
        assert_eq!(
            check_chain(pem.as_bytes()).unwrap_err().split(',').next(),
            Some("only CERTIFICATE PEM blocks are allowed")
        );
    }
}
