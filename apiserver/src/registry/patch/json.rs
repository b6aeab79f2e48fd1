//! JSON Patch (RFC 6902), bounded.

use api::failure::{Failure, Reason};
use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use crate::registry::patch::unprocessable;

const MOST_OPERATIONS: usize = 10_000;
/// How many bytes all `copy` operations of a patch may add: as many as a body may have.
const MOST_COPIED: usize = 3 << 20;

pub fn parse(bytes: &[u8]) -> Result<Patch, Failure> {
    let patch: Patch = serde_json::from_slice(bytes)
        .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
    if patch.len() > MOST_OPERATIONS {
        return Err(too_large(format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}",
            patch.len()
        )));
    }
    Ok(patch)
}

fn too_large(why: String) -> Failure {
    Failure::new(Reason::RequestEntityTooLarge, format!("Request entity too large: {why}"))
}

pub fn apply(patch: &Patch, target: &mut Value) -> Result<(), Failure> {
    let mut copied = 0;
    for operation in &patch.0 {
        if let PatchOperation::Copy(copy) = operation {
            copied += target.pointer(copy.from.as_str()).map_or(0, |value| value.to_string().len());
            if copied > MOST_COPIED {
                return Err(too_large(format!("the copy operations of a JSON patch may add {MOST_COPIED} bytes")));
            }
        }
        // As upstream's library has it: what is not there is null.
        if let PatchOperation::Test(test) = operation
            && test.value.is_null()
            && target.pointer(test.path.as_str()).is_none()
        {
            continue;
        }
        json_patch::patch(target, std::slice::from_ref(operation)).map_err(|_| unprocessable())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(patch: Value, mut target: Value) -> Result<Value, Failure> {
        apply(&parse(patch.to_string().as_bytes())?, &mut target)?;
        Ok(target)
    }

    #[test]
    fn operations_are_carried_out_in_order() {
        let patch = json!([
            {"op": "test", "path": "/a", "value": 1},
            {"op": "replace", "path": "/a", "value": 2},
            {"op": "add", "path": "/list/-", "value": "x"},
            {"op": "remove", "path": "/b"},
        ]);
        assert_eq!(patched(patch, json!({"a": 1, "b": 1, "list": []})).unwrap(), json!({"a": 2, "list": ["x"]}));
    }

    #[test]
    fn a_failed_test_is_unprocessable() {
        let failure = patched(json!([{"op": "test", "path": "/a", "value": 2}]), json!({"a": 1})).unwrap_err();
        assert_eq!(failure.code(), 422);
        assert_eq!(failure.message, "the server rejected our request due to an error in our request");
        for operation in [
            json!({"op": "remove", "path": "/b"}),
            json!({"op": "replace", "path": "/b", "value": 1}),
            json!({"op": "add", "path": "/b/c", "value": 1}),
            json!({"op": "move", "from": "/b", "path": "/c"}),
            json!({"op": "add", "path": "/list/7", "value": 1}),
        ] {
            let failure = patched(json!([operation]), json!({"a": 1, "list": []})).unwrap_err();
            assert_eq!((failure.code(), failure.reason), (422, Reason::Invalid), "{operation}");
        }
        let absent = json!([{"op": "test", "path": "/b", "value": null}]);
        assert_eq!(patched(absent, json!({"a": 1})).unwrap(), json!({"a": 1}));
        assert_eq!(patched(json!({"op": "add"}), json!({})).unwrap_err().code(), 400);
    }

    #[test]
    fn patches_are_bounded() {
        let many = vec![json!({"op": "add", "path": "/a", "value": 1}); MOST_OPERATIONS + 1];
        let failure = patched(many.into(), json!({})).unwrap_err();
        assert_eq!(
            (failure.code(), failure.message.as_str()),
            (413, "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001")
        );
        let doubling = vec![json!({"op": "copy", "from": "/a", "path": "/a/-"}); 60];
        assert_eq!(patched(doubling.into(), json!({"a": ["x"]})).unwrap_err().code(), 413);
    }
}
