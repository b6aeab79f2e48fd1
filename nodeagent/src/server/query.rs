//! What is asked for in the query of a request.

use form_urlencoded::parse;
use http::StatusCode;

use crate::server::find::Refusal;

/// `true`, `1`, or just the name.
pub fn is_set(flag: Option<&str>) -> bool {
    flag.is_some_and(|text| matches!(text, "" | "1" | "true" | "True"))
}

/// The values of a name that may be given many times.
pub fn all(query: &str, name: &str) -> Vec<String> {
    parse(query.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}

/// Which streams of a process a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub input: bool,
    pub output: bool,
    pub error: bool,
    pub tty: bool,
}

impl Wanted {
    pub fn parse(query: &str) -> Result<Self, Refusal> {
        let has = |name: &str| is_set(all(query, name).first().map(String::as_str));
        let tty = has("tty");
        // At a terminal there is only one stream that leads out.
        let wanted = Self { input: has("input"), output: has("output"), error: has("error") && !tty, tty };
        if !(wanted.input || wanted.output || wanted.error) {
            return Err((StatusCode::BAD_REQUEST, "you must specify at least 1 of stdin, stdout, stderr".to_owned()));
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_come_many_times_and_flags_have_many_forms() {
        assert_eq!(all("command=a%20b&x=1&command=&command=c", "command"), ["a b", "", "c"]);
        let wanted = Wanted { input: true, output: true, error: false, tty: true };
        assert_eq!(Wanted::parse("input=1&output=true&error=true&tty"), Ok(wanted));
        assert!(Wanted::parse("input=false&tty=true").is_err());
    }
}
