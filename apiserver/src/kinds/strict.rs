//! Looks once through the text of an object, for all that is noted before it is read.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

use api::json::cursor::Cursor;
use api::schema::{Definition, Shape, View};

use crate::kinds::zeros::Blank;

/// Complaints about one object: more are not told, and none twice. As upstream's decoder (sigs.k8s.io/json,
/// `saveStrictError`).
const MOST_COMPLAINTS: usize = 100;

/// What is nested deeper is passed over. Of fields that their type has, the decoder reads none that lies so deep.
const DEEPEST: usize = 128;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Fields that the type does not have, keys that stand twice, and values that say nothing.
    Everything,
    /// Only whether some value may say nothing.
    Silence,
}

/// What an object is found to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Sentences in the order of the text: `unknown field "spec.foo"`, `duplicate field "spec.replicas"`.
    pub complaints: Vec<String>,
    /// Whether some value may say nothing. Then the object is to be read without it.
    pub may_be_silent: bool,
}

/// Looks for everything, or less. Keys that stand twice are found in any text, unknown fields where there is a definition.
/// Nothing is found in what is no JSON: it will be refused for what it is.
pub fn scan(json: &[u8], definition: Option<Definition>, search: Search) -> Findings {
    let Ok(text) = std::str::from_utf8(json) else { return Findings::default() };
    let view = definition.filter(|_| search == Search::Everything).map_or(View::Any, of_definition);
    let mut scan = Scan { text: Cursor::new(text), path: Vec::new(), search, found: Findings::default() };
    if scan.value(view).is_none() || scan.text.peek().is_some() {
        scan.found.complaints.clear();
    }
    scan.found
}

/// Types that are another name of a scalar, and those that take any field, are not gone into.
fn of_definition(definition: Definition) -> View {
    match definition.shape().view() {
        View::Object if definition.properties().next().is_some() => View::Reference(definition),
        other => other,
    }
}

fn inside(shape: Shape) -> View {
    match shape.view() {
        View::Reference(definition) => of_definition(definition),
        other => other,
    }
}

/// A place in the text. The steps return `None` where it does not go on as JSON does, and when nothing more is looked for.
struct Scan<'a> {
    text: Cursor<'a>,
    /// Where the value stands that is looked at.
    path: Vec<Step<'a>>,
    search: Search,
    found: Findings,
}

enum Step<'a> {
    Key(Cow<'a, str>),
    Index(usize),
}

impl<'a> Scan<'a> {
    fn value(&mut self, view: View) -> Option<()> {
        let blank = match self.text.peek()? {
            b'{' | b'[' if self.path.len() >= DEEPEST => {
                self.text.pass_over()?;
                None
            }
            b'{' => self.object(view)?.then_some(Blank::Object),
            b'[' => self.list(view)?.then_some(Blank::List),
            b'"' => self.text.quoted()?.is_empty().then_some(Blank::Text),
            _ => match self.text.scalar()? {
                "null" => {
                    self.null();
                    None
                }
                "false" | "0" => Some(Blank::Zero),
                _ => None,
            },
        };
        if let (Some(blank), Some(Step::Key(name))) = (blank, self.path.last()) {
            self.found.may_be_silent |= blank.may_say_nothing(name);
        }
        let is_done = self.search == Search::Silence && self.found.may_be_silent;
        (!is_done).then_some(())
    }

    /// Whether the object is empty.
    fn object(&mut self, view: View) -> Option<bool> {
        if self.text.enter(b'}')? {
            return Some(true);
        }
        let mut keys = Keys::default();
        loop {
            let key = self.text.string()?;
            self.text.expect(b':')?;
            let is_second = self.search == Search::Everything && !keys.insert(key.clone());
            let inner = match view {
                View::Reference(definition) => definition.property(&key).map(|property| inside(property.shape())),
                View::Map(element) => Some(inside(element)),
                _ => Some(View::Any),
            };
            self.path.push(Step::Key(key));
            match inner {
                // Of one that stands twice, upstream says no more.
                None => self.complain("unknown"),
                Some(_) if is_second => self.complain("duplicate"),
                Some(_) => {}
            }
            self.value(inner.unwrap_or(View::Any))?;
            self.path.pop();
            if self.text.is_over(b'}')? {
                return Some(false);
            }
        }
    }

    /// Whether the list is empty.
    fn list(&mut self, view: View) -> Option<bool> {
        if self.text.enter(b']')? {
            return Some(true);
        }
        let inner = if let View::List(element) = view { inside(element) } else { View::Any };
        for index in 0.. {
            self.path.push(Step::Index(index));
            self.value(inner)?;
            self.path.pop();
            if self.text.is_over(b']')? {
                break;
            }
        }
        Some(false)
    }

    /// A field that is null is nothing to its type; an entry of a map has none that could say so.
    fn null(&mut self) {
        // Older clients written in Go say so of every new object.
        let is_usual = matches!(self.path.last(), Some(Step::Key(name)) if *name == "creationTimestamp");
        self.found.may_be_silent |= !is_usual;
    }

    fn complain(&mut self, what: &str) {
        let complaints = &mut self.found.complaints;
        if self.search != Search::Everything || complaints.len() >= MOST_COMPLAINTS {
            return;
        }
        let complaint = format!("{what} field {:?}", place(&self.path));
        if !complaints.contains(&complaint) {
            complaints.push(complaint);
        }
    }
}

/// As clients write it: `spec.containers[0].foo`.
fn place(path: &[Step<'_>]) -> String {
    let mut place = String::new();
    for step in path {
        match step {
            Step::Key(key) if place.is_empty() => place.push_str(key),
            Step::Key(key) => {
                place.push('.');
                place.push_str(key);
            }
            Step::Index(index) => write!(place, "[{index}]").expect("a String takes any text"),
        }
    }
    place
}

/// The keys of an object so far. Most objects have so few that looking at each is quicker than a table.
#[derive(Default)]
struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

/// From so many keys on there is a table.
const MANY_KEYS: usize = 16;

impl<'a> Keys<'a> {
    /// Whether the key is a new one.
    fn insert(&mut self, key: Cow<'a, str>) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(key);
        }
        if self.few.contains(&key) {
            return false;
        }
        self.few.push(key);
        if self.few.len() > MANY_KEYS {
            self.many.extend(self.few.drain(..));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn complaints(json: &str, kind: Option<(&str, &str)>) -> Vec<String> {
        let definition = kind.map(|(group, kind)| api::schema::of_kind(group, "v1", kind).unwrap());
        let silence = scan(json.as_bytes(), definition, Search::Silence);
        assert_eq!(silence.complaints, [""; 0]);
        let findings = scan(json.as_bytes(), definition, Search::Everything);
        assert_eq!(findings.may_be_silent, silence.may_be_silent);
        findings.complaints
    }

    fn is_silent(json: &str) -> bool {
        scan(json.as_bytes(), None, Search::Silence).may_be_silent
    }

    #[test]
    fn every_second_key_is_told() {
        let json = r#"{"a":1,"spec":{"x":[{"n":1},{"n":1,"n":2}],"y":true,"y":null},"\u0061":2.5}"#;
        assert_eq!(
            complaints(json, None),
            [r#"duplicate field "spec.x[1].n""#, r#"duplicate field "spec.y""#, r#"duplicate field "a""#]
        );
        assert_eq!(complaints(r#"{"a":[1,{"b":-1}],"b":{"b":"c"}}"#, None), [""; 0]);
        assert_eq!(complaints(r#"[{"op":"a","op":"\\\"}","path":"/"}]"#, None), [r#"duplicate field "[0].op""#]);
    }

    #[test]
    fn keys_are_told_apart_in_large_objects_too() {
        let keys: Vec<String> = (0..40).chain([3, 39]).map(|number| format!("\"{number}\":1")).collect();
        let json = format!("{{{}}}", keys.join(", "));
        assert_eq!(complaints(&json, None), [r#"duplicate field "3""#, r#"duplicate field "39""#]);
    }

    #[test]
    fn unknown_fields_are_found_wherever_types_are_known() {
        let json = r#"{"apiVersion":"v1","kind":"Pod","meta":1,"metadata":{"labels":{"any":"thing"},"lables":{},
            "managedFields":[{"fieldsV1":{"f:spec":{}}}]},
            "spec":{"containers":[{"name":"a","imagee":"b"},{"resources":{"limits":{"cpu":1},"request":{}}}],
            "tolerations":null,"nodeSelector":{"a":"b"}},"status":{"phase":"Running"}}"#;
        assert_eq!(
            complaints(json, Some(("", "Pod"))),
            [
                r#"unknown field "meta""#,
                r#"unknown field "metadata.lables""#,
                r#"unknown field "spec.containers[0].imagee""#,
                r#"unknown field "spec.containers[1].resources.request""#,
            ]
        );
    }

    #[test]
    fn complaints_come_in_the_order_of_the_text_and_once() {
        // Upstream's test of field validation, with its sentences.
        let json = r#"{"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "dupename", "name": "a", "labels": {"app": "nginx"}, "unknownMeta": "metaVal"},
            "spec": {"unknown1": "val1", "unknownDupe": "valDupe", "unknownDupe": "valDupe2", "paused": true,
                "paused": false, "selector": {"matchLabels": {"app": "nginx"}},
                "template": {"spec": {"containers": [{"name": "nginx", "unknownNested": "val1",
                    "imagePullPolicy": "Always", "imagePullPolicy": "Never", "imagePullPolicy": "Never"}]}}}}"#;
        let expected = r#"duplicate field "metadata.name", unknown field "metadata.unknownMeta", unknown field "spec.unknown1", unknown field "spec.unknownDupe", duplicate field "spec.paused", unknown field "spec.template.spec.containers[0].unknownNested", duplicate field "spec.template.spec.containers[0].imagePullPolicy""#;
        assert_eq!(complaints(json, Some(("apps", "Deployment"))).join(", "), expected);
    }

    #[test]
    fn types_that_take_anything_have_no_unknown_fields() {
        let json = r#"{"data":{"spec":{"any":1,"any":2}},"revision":1,"more":{"a":1,"a":2}}"#;
        let expected = [r#"duplicate field "data.spec.any""#, r#"unknown field "more""#, r#"duplicate field "more.a""#];
        assert_eq!(complaints(json, Some(("apps", "ControllerRevision"))), expected);
    }

    #[test]
    fn no_more_than_upstream_are_told() {
        let fields: Vec<String> = (0..200).map(|number| format!("\"x{number}\":1")).collect();
        let told = complaints(&format!("{{{}}}", fields.join(",")), Some(("", "Pod")));
        assert_eq!((told.len(), told[99].as_str()), (100, r#"unknown field "x99""#));
    }

    #[test]
    fn values_of_a_wrong_type_are_the_decoders() {
        let pod = Some(("", "Pod"));
        for json in [r#"{"spec":[{"a":1}]}"#, r#"{"spec":{"containers":{"name":"a"}}}"#, r#"{"metadata":"x"}"#, "5"] {
            assert_eq!(complaints(json, pod), [""; 0], "{json}");
        }
    }

    #[test]
    fn what_is_no_json_has_nothing() {
        for json in [
            r#"{"a":1,"a":"#,
            r#"{"a":1,"a":2"#,
            r#"{"a":1,"a":2} x"#,
            r#"{"a":1,"a":2,}"#,
            r#"{"a":1,"a"2}"#,
            r#"{"a":1,"a":"}"#,
            r#"{"a":1,"a":}"#,
            r#"{"a":1,"a":ä}"#,
            r#"{"a":1,"a":{"b"}}"#,
            "",
            "\"",
            "\"\\",
        ] {
            assert_eq!(complaints(json, None), [""; 0], "{json}");
        }
        assert_eq!(scan(b"{\"a\":1,\"a\":\"\xff\"}", None, Search::Everything), Findings::default());
    }

    #[test]
    fn what_lies_too_deep_hides_nothing_behind_it() {
        let deep = format!("{}\"]}}\"{}", "[{\"a\":".repeat(10_000), "}]".repeat(10_000));
        let json = format!(r#"{{"x":{deep},"y":{{"\ud800":1e999}},"z":1}}"#);
        let expected = [r#"unknown field "x""#, r#"unknown field "y""#, r#"unknown field "z""#];
        assert_eq!(complaints(&json, Some(("", "Pod"))), expected);
        assert_eq!(complaints(&"[".repeat(100_000), None), [""; 0]);
    }

    #[test]
    fn most_objects_are_seen_to_be_full() {
        let full = json!({"metadata": {"name": "p", "creationTimestamp": null}, "spec": {"securityContext": {},
            "containers": [{"name": "a", "args": ["", 0, [], {}]}]}, "status": {"ready": false, "restartCount": 0}});
        assert!(!is_silent(&full.to_string()));
        assert!(!is_silent(r#"{"hostNetwork":true,"generation":0.5,"managedFields":[],"a":"[],\"b\":\"\""}"#));
        for silent in [
            r#"{"volumes" : [ ]}"#,
            r#"{"labels": { }}"#,
            r#"{"tty" : false}"#,
            r#"{"generation":0}"#,
            r#"{"nodeName": ""}"#,
            r#"{"annotations":{"a":null}}"#,
            r#"{"unknown":[{"nodeName":""}]}"#,
        ] {
            assert!(is_silent(silent), "{silent}");
        }
    }

    fn anything() -> impl Strategy<Value = Value> {
        let text = || r#"[a"\\\\{}\[\]:,ä\n]{0,8}"#;
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 32, 6, move |inner| {
            let object = prop::collection::vec((text(), inner.clone()), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Value::from),
                object.prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_is_gone_through_to_its_end(value in anything(), is_pretty: bool, cut: prop::sample::Index) {
            let text = if is_pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let text = format!(r#"[{text} , {{"z":1,"z":2}}]"#);
            prop_assert_eq!(complaints(&text, None), [r#"duplicate field "[1].z""#]);
            let part = &text.as_bytes()[..cut.index(text.len())];
            prop_assert_eq!(scan(part, None, Search::Everything).complaints, [""; 0]);
        }
    }
}
