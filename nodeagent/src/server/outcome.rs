//! How a process in a pod ended, as the Status that a client reads last.

use std::fmt;

use api::failure::Failure;
use serde_json::json;

pub fn success() -> Vec<u8> {
    json!({ "metadata": {}, "status": "Success" }).to_string().into_bytes()
}

/// A command that ended with this code.
pub fn ended(code: i32) -> Vec<u8> {
    if code == 0 {
        return success();
    }
    let causes = [json!({ "reason": "ExitCode", "message": code.to_string() })];
    let status = json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "reason": "NonZeroExitCode",
        "details": { "causes": causes },
    });
    status.to_string().into_bytes()
}

/// A process that could not be run or followed to its end.
pub fn failed(what: impl fmt::Display) -> Vec<u8> {
    let failure = Failure::internal(what);
    // A Status is made of texts and numbers, which can always be written.
    serde_json::to_vec(&failure.status()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn clients_find_the_code_where_they_look_for_it() {
        assert_eq!(ended(0), br#"{"metadata":{},"status":"Success"}"#);
        let three: Value = serde_json::from_slice(&ended(3)).unwrap();
        assert_eq!(
            (&three["reason"], &three["details"]["causes"][0]["message"]),
            (&json!("NonZeroExitCode"), &json!("3"))
        );
        assert_eq!(three["message"], "command terminated with non-zero exit code: exit status 3");
        let trouble: Value = serde_json::from_slice(&failed("no pipes")).unwrap();
        assert_eq!((&trouble["reason"], &trouble["code"]), (&json!("InternalError"), &json!(500)));
        assert_eq!(trouble["message"], "Internal error occurred: no pipes");
    }
}
