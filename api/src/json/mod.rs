//! Objects as text. This is the one way in which typed ones are read: each further one would be compiled for all types of the API.

pub mod cursor;

use k8s_openapi::api::core::v1::{Node, Pod};
use serde::de::{DeserializeOwned, Error as _};

/// Reads an object. Text that is no UTF-8 is no JSON.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    // Checked whole, so that this compiles to the code that reads what client libraries hold as text.
    serde_json::from_str(std::str::from_utf8(json).map_err(serde_json::Error::custom)?)
}

type Read<T> = fn(&[u8]) -> Result<T, serde_json::Error>;

/// What several crates read is compiled here, once: where code is made small, they share what a crate below them has.
pub static SHARED: (Read<Pod>, Read<Node>) = (read, read);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_and_nothing_else() {
        assert_eq!(read::<Vec<String>>(br#"["a"]"#).unwrap(), ["a"]);
        assert!(read::<String>(b"\"\xff\"").unwrap_err().to_string().contains("invalid utf-8"));
        assert!(read::<u8>(b"1 2").is_err());
    }
}
