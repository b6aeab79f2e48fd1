//! The query of a request: text in, options of the API out.

use std::borrow::Cow;

use api::failure::Failure;
use api::field::{FieldError, FieldErrors, Path};
use http::HeaderMap;
use http::header::USER_AGENT;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;

use crate::context::FieldValidation;
use crate::registry::options::{ListOptions, PatchType, unknown_dry_run};

/// The parameters of a query. Of those that stand there twice, the first counts; unknown ones are left alone.
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub fn parse(text: &'a str) -> Self {
        if text.is_empty() {
            return Self(Vec::new());
        }
        Self(form_urlencoded::parse(text.as_bytes()).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_ref()).collect()
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// Present and not `0` or `false`.
    pub fn boolean(&self, name: &str) -> bool {
        self.optional_boolean(name) == Some(true)
    }

    fn optional_boolean(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
                let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                let why = if is_number { "value out of range" } else { "invalid syntax" };
                Failure::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
            }),
        }
    }

    /// The options of a list, a watch or the deletion of a collection.
    pub fn list_options(&self) -> Result<ListOptions, Failure> {
        let limit = self.integer("limit")?.unwrap_or(0);
        // Read where it is needed; here it must only be a number.
        self.integer("timeoutSeconds")?;
        Ok(ListOptions {
            label_selector: self.text("labelSelector"),
            field_selector: self.text("fieldSelector"),
            limit: u64::try_from(limit).unwrap_or(0),
            continue_token: self.text("continue"),
            resource_version: self.text("resourceVersion"),
            resource_version_match: self.text("resourceVersionMatch"),
            send_initial_events: self.optional_boolean("sendInitialEvents"),
            allow_watch_bookmarks: self.boolean("allowWatchBookmarks"),
        })
    }

    /// `dryRun`: nothing, or `All` as often as one likes. `options` names the object whose field is wrong.
    pub fn dry_run(&self, options: &str) -> Result<bool, Failure> {
        let values = self.all("dryRun");
        if values.iter().all(|value| *value == "All") {
            return Ok(!values.is_empty());
        }
        Err(invalid(options, unknown_dry_run(&values)))
    }

    pub fn field_validation(&self, options: &str) -> Result<FieldValidation, Failure> {
        match self.get("fieldValidation") {
            None | Some("" | "Warn") => Ok(FieldValidation::Warn),
            Some("Ignore") => Ok(FieldValidation::Ignore),
            Some("Strict") => Ok(FieldValidation::Strict),
            Some(other) => {
                let supported = ["Ignore", "Strict", "Warn"];
                Err(invalid(options, FieldError::not_supported(&Path::new("fieldValidation"), other, &supported)))
            }
        }
    }

    /// Who is noted as the writer: `fieldManager=`, else the first word of the User-Agent.
    pub fn field_manager(&self, headers: &HeaderMap, options: &str) -> Result<String, Failure> {
        let given = self.get("fieldManager").unwrap_or_default();
        let path = Path::new("fieldManager");
        if given.len() > LONGEST_MANAGER {
            return Err(invalid(options, FieldError::too_long(&path, LONGEST_MANAGER)));
        }
        if let Some((at, odd)) = given.char_indices().find(|(_, letter)| !is_printable(*letter)) {
            let why = format!("invalid character U+{:04X} (at position {at})", u32::from(odd));
            return Err(invalid(options, FieldError::invalid(&path, given, why)));
        }
        if !given.is_empty() {
            return Ok(given.to_owned());
        }
        let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let first = agent.split('/').next().unwrap_or_default();
        Ok(first.chars().filter(|letter| is_printable(*letter)).take(LONGEST_MANAGER).collect())
    }

    /// Whether a patch takes fields from those who manage them. Only configurations that are applied do, and only they must
    /// say whose they are.
    pub fn force(&self, patch_type: PatchType) -> Result<bool, Failure> {
        let force = self.optional_boolean("force");
        let error = match patch_type {
            PatchType::Apply if self.get("fieldManager").unwrap_or_default().is_empty() => {
                FieldError::required(&Path::new("fieldManager"), "is required for apply patch")
            }
            PatchType::Apply => return Ok(force == Some(true)),
            _ if force.is_some() => {
                FieldError::forbidden(&Path::new("force"), "may not be specified for non-apply patch")
            }
            _ => return Ok(false),
        };
        Err(invalid("PatchOptions", error))
    }

    /// The options of a deletion: those of the body where there is one, else those of the query.
    pub fn delete_options(&self, body: Option<DeleteOptions>) -> Result<DeleteOptions, Failure> {
        if let Some(options) = body {
            return Ok(options);
        }
        Ok(DeleteOptions {
            dry_run: self.dry_run("DeleteOptions")?.then(|| vec!["All".to_owned()]),
            grace_period_seconds: self.integer("gracePeriodSeconds")?,
            orphan_dependents: self.optional_boolean("orphanDependents"),
            propagation_policy: self.get("propagationPolicy").map(str::to_owned),
            ..DeleteOptions::default()
        })
    }
}

/// How long the name of a manager of fields may be, in bytes.
const LONGEST_MANAGER: usize = 128;

fn is_printable(letter: char) -> bool {
    letter == ' ' || !(letter.is_control() || letter.is_whitespace())
}

fn invalid(options: &str, error: FieldError) -> Failure {
    let mut errors = FieldErrors::default();
    errors.push(error);
    Failure::invalid("meta.k8s.io", options, "", errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_a_list_are_read() {
        let query = Query::parse("labelSelector=a%3Db,c&limit=500&allowWatchBookmarks&sendInitialEvents=false&other=1");
        let options = query.list_options().unwrap();
        assert_eq!(options.label_selector, "a=b,c");
        assert_eq!((options.limit, options.allow_watch_bookmarks), (500, true));
        assert_eq!(options.send_initial_events, Some(false));
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        for (query, message) in [
            ("limit=x", "strconv.ParseInt: parsing \"x\": invalid syntax"),
            ("limit=99999999999999999999", "strconv.ParseInt: parsing \"99999999999999999999\": value out of range"),
            ("timeoutSeconds=1m", "strconv.ParseInt: parsing \"1m\": invalid syntax"),
            ("timeoutSeconds=null", "strconv.ParseInt: parsing \"null\": invalid syntax"),
            ("timeoutSeconds=", "strconv.ParseInt: parsing \"\": invalid syntax"),
            ("timeoutSeconds", "strconv.ParseInt: parsing \"\": invalid syntax"),
        ] {
            let failure = Query::parse(query).list_options().unwrap_err();
            assert_eq!((failure.code(), &*failure.message), (400, message));
        }
    }

    #[test]
    fn only_the_known_words_are_taken() {
        assert!(Query::parse("dryRun=All&dryRun=All").dry_run("CreateOptions").unwrap());
        let failure = Query::parse("dryRun=Some").dry_run("CreateOptions").unwrap_err();
        assert_eq!(
            (failure.code(), &*failure.message),
            (
                422,
                "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""
            )
        );
        assert!(Query::parse("fieldValidation=Perhaps").field_validation("CreateOptions").is_err());
        assert_eq!(
            Query::parse("fieldValidation=Strict").field_validation("CreateOptions").unwrap(),
            FieldValidation::Strict
        );
    }

    #[test]
    fn the_body_of_a_deletion_wins_over_its_query() {
        let query = Query::parse("gracePeriodSeconds=5&propagationPolicy=Orphan&dryRun=All");
        let from_query = query.delete_options(None).unwrap();
        assert_eq!(from_query.grace_period_seconds, Some(5));
        assert_eq!(from_query.propagation_policy.as_deref(), Some("Orphan"));
        let body = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
        assert_eq!(from_query.dry_run, Some(vec!["All".to_owned()]));
        let options = query.delete_options(Some(body)).unwrap();
        assert_eq!((options.propagation_policy, options.dry_run), (None, None));
        let odd = Query::parse("dryRun=Some");
        assert!(odd.delete_options(Some(DeleteOptions::default())).is_ok() && odd.delete_options(None).is_err());
    }

    #[test]
    fn an_applier_names_itself_and_only_it_may_use_force() {
        let force = |query: &str, patch_type| Query::parse(query).force(patch_type);
        assert!(force("fieldManager=me&force=true", PatchType::Apply).unwrap());
        assert!(!force("fieldManager=me", PatchType::Apply).unwrap());
        let failure = force("force=true", PatchType::Apply).unwrap_err();
        assert_eq!(
            (failure.code(), &*failure.message),
            (
                422,
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
            )
        );
        let failure = force("force=false", PatchType::Merge).unwrap_err();
        assert_eq!(
            (failure.code(), &*failure.message),
            (
                422,
                "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch"
            )
        );
        assert!(!force("", PatchType::Strategic).unwrap());
    }

    #[test]
    fn a_writer_is_named_by_itself_or_by_its_program() {
        let agent = |agent: &'static str| HeaderMap::from_iter([(USER_AGENT, http::HeaderValue::from_static(agent))]);
        let manager = |query: &str, headers| Query::parse(query).field_manager(&headers, "PatchOptions");
        assert_eq!(manager("fieldManager=me", agent("kubectl/v1.36")).unwrap(), "me");
        assert_eq!(manager("", agent("kubectl/v1.36 (linux/amd64)")).unwrap(), "kubectl");
        assert_eq!(manager("", HeaderMap::new()).unwrap(), "");
        let long = format!("fieldManager={}", "x".repeat(129));
        let failure = manager(&long, HeaderMap::new()).unwrap_err();
        assert!(failure.message.ends_with("fieldManager: Too long: may not be more than 128 bytes"));
        let failure = manager("fieldManager=a%0Ab", HeaderMap::new()).unwrap_err();
        assert!(failure.message.ends_with("invalid character U+000A (at position 1)"), "{}", failure.message);
    }
}
