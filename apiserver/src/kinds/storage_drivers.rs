//! What names of drivers have in common.

use api::field::{FieldError, FieldErrors, Path};
use api::names;

const LONGEST_NAME: usize = 63;

/// The name of a driver of volumes or devices.
pub fn driver_name(name: &str, path: &Path, errors: &mut FieldErrors) {
    if name.is_empty() {
        errors.push(FieldError::required(path, ""));
        return;
    }
    if name.len() > LONGEST_NAME {
        errors.push(FieldError::too_long(path, LONGEST_NAME));
    }
    // Upstream checks the name in lower case, and shows it as it is.
    if let Err(why) = names::dns_subdomain(&name.to_lowercase()) {
        errors.push(FieldError::invalid(path, name, why));
    }
}
