//! JSONPath in the dialect of kubectl: text with `{.paths}` in braces, `{range}` and `{end}`.

use serde_json::Value;

use crate::output::json;

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
    /// Whether the results are printed as one JSON list.
    as_json: bool,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Path(Path),
    Range(Path, Vec<Part>),
}

/// Steps from the value at hand, or from the whole object where it begins with `$`.
#[derive(Debug, Clone, Default)]
struct Path {
    from_root: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Field(String),
    /// All children, as `[*]` and `.*` say.
    Every,
    /// The value and all that is below it, as `..` says.
    Descend,
    Fields(Vec<String>),
    Indexes(Vec<i64>),
    Slice {
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    },
    Filter(Operand, Comparison, Operand),
    Exists(Path),
}

#[derive(Debug, Clone)]
enum Operand {
    Path(Path),
    Value(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("template format specified but no template given".to_owned());
        }
        let mut parser = Parser { rest: text };
        let parts = parser.parts(false).map_err(|error| format!("error parsing jsonpath {text}, {error}"))?;
        Ok(Self { parts, as_json: false })
    }

    /// A single path, with or without its braces and its leading dot.
    pub fn parse_relaxed(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        let dotted = if bare.starts_with(['.', '$', '[', '@']) { bare.to_owned() } else { format!(".{bare}") };
        Self::parse(&format!("{{{dotted}}}"))
    }

    pub fn printed_as_json(mut self) -> Self {
        self.as_json = true;
        self
    }

    pub fn render(&self, object: &Value) -> Result<String, String> {
        if self.as_json {
            let values: Vec<Value> = self.find(object).into_iter().cloned().collect();
            return Ok(json::pretty(&Value::Array(values)) + "\n");
        }
        let mut out = String::new();
        render(&self.parts, object, object, &mut out);
        Ok(out)
    }

    /// What the paths lead to, texts left out.
    pub fn find<'a>(&self, object: &'a Value) -> Vec<&'a Value> {
        let paths = self.parts.iter().filter_map(|part| match part {
            Part::Path(path) => Some(path),
            Part::Text(_) | Part::Range(..) => None,
        });
        paths.flat_map(|path| path.find(object, object)).collect()
    }
}

fn render(parts: &[Part], root: &Value, here: &Value, out: &mut String) {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(path) => {
                let found: Vec<String> = path.find(root, here).into_iter().map(text_of).collect();
                out.push_str(&found.join(" "));
            }
            Part::Range(path, inner) => {
                for value in path.find(root, here) {
                    render(inner, root, value, out);
                }
            }
        }
    }
}

/// Text bare, all else as JSON.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => json::compact(other),
    }
}

impl Path {
    fn find<'a>(&self, root: &'a Value, here: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![if self.from_root { root } else { here }];
        for step in &self.steps {
            let mut next = Vec::new();
            if let Step::Fields(names) = step {
                // One field of all, then the next of all.
                for name in names {
                    next.extend(found.iter().filter_map(|value| field_of(value, name)));
                }
            } else {
                found.iter().for_each(|value| step.take(root, value, &mut next));
            }
            found = next;
        }
        found
    }
}

impl Step {
    fn take<'a>(&self, root: &'a Value, value: &'a Value, out: &mut Vec<&'a Value>) {
        match self {
            Self::Field(name) => out.extend(value.get(name)),
            Self::Fields(names) => out.extend(names.iter().filter_map(|name| field_of(value, name))),
            Self::Every => out.extend(children(value)),
            Self::Descend => descend(value, out),
            Self::Indexes(indexes) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                out.extend(indexes.iter().filter_map(|index| items.get(position(*index, items.len())?)));
            }
            Self::Slice { start, end, step } => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let bound = |index: Option<i64>, default| match index {
                    None => default,
                    Some(index) if index < 0 => items.len().saturating_sub(index.unsigned_abs() as usize),
                    Some(index) => items.len().min(index as usize),
                };
                let (start, end) = (bound(*start, 0), bound(*end, items.len()));
                let step = usize::try_from(*step).unwrap_or(1).max(1);
                out.extend(items.get(start..end).unwrap_or_default().iter().step_by(step));
            }
            Self::Filter(left, comparison, right) => {
                out.extend(children(value).into_iter().filter(|child| comparison.holds(left, right, root, child)));
            }
            Self::Exists(path) => {
                out.extend(children(value).into_iter().filter(|child| !path.find(root, child).is_empty()))
            }
        }
    }
}

/// A field by its name, or by a path of names with dots between.
fn field_of<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).or_else(|| name.split('.').try_fold(value, |value, part| value.get(part)))
}

fn position(index: i64, length: usize) -> Option<usize> {
    if index < 0 { length.checked_sub(index.unsigned_abs() as usize) } else { usize::try_from(index).ok() }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn descend<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    out.push(value);
    for child in children(value) {
        descend(child, out);
    }
}

impl Comparison {
    fn holds(self, left: &Operand, right: &Operand, root: &Value, here: &Value) -> bool {
        let Some((left, right)) = left.value(root, here).zip(right.value(root, here)) else { return false };
        let order = match (left.as_f64(), right.as_f64()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => text_of(left).partial_cmp(&text_of(right)),
        };
        let Some(order) = order else { return false };
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Operand {
    fn value<'a>(&'a self, root: &'a Value, here: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Path(path) => path.find(root, here).first().copied(),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        self.skip_spaces();
        if self.eat(text) { Ok(()) } else { Err(format!("expected {text:?} at {:?}", self.rest)) }
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|letter| !accept(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn parts(&mut self, in_range: bool) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        loop {
            let text = self.take_while(|letter| letter != '{');
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            if !self.eat("{") {
                return if in_range { Err("unclosed range: {end} is missing".to_owned()) } else { Ok(parts) };
            }
            self.skip_spaces();
            if self.keyword("end") {
                self.expect("}")?;
                return if in_range { Ok(parts) } else { Err("not in range, {end} is out of place".to_owned()) };
            }
            if self.keyword("range") {
                self.skip_spaces();
                let path = self.path()?;
                self.expect("}")?;
                parts.push(Part::Range(path, self.parts(true)?));
                continue;
            }
            self.action(&mut parts)?;
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        let is_whole =
            self.rest.strip_prefix(word).is_some_and(|rest| rest.starts_with(['}', ' ', '.', '[', '@', '$']));
        is_whole && self.eat(word)
    }

    /// Paths and quoted texts up to the closing brace.
    fn action(&mut self, parts: &mut Vec<Part>) -> Result<(), String> {
        loop {
            self.skip_spaces();
            if self.eat("}") {
                return Ok(());
            }
            if self.rest.starts_with(['"', '\'']) {
                parts.push(Part::Text(self.quoted()?));
            } else if self.rest.is_empty() {
                return Err("unclosed action".to_owned());
            } else {
                parts.push(Part::Path(self.path()?));
            }
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut letters = self.rest.char_indices();
        let Some((_, quote)) = letters.next() else { return Err("unterminated quoted string".to_owned()) };
        let mut text = String::new();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => match letters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, other)) => text.push(other),
                    None => break,
                },
                letter if letter == quote => {
                    self.rest = &self.rest[at + letter.len_utf8()..];
                    return Ok(text);
                }
                other => text.push(other),
            }
        }
        Err("unterminated quoted string".to_owned())
    }

    fn path(&mut self) -> Result<Path, String> {
        let mut path = Path { from_root: self.eat("$"), steps: Vec::new() };
        if !path.from_root {
            self.eat("@");
        }
        let before = self.rest;
        loop {
            if self.eat("..") {
                path.steps.push(Step::Descend);
                if !self.rest.starts_with('[') {
                    path.steps.push(self.field()?);
                }
            } else if self.eat(".") {
                if !self.rest.starts_with(['}', '[', ' ', ')']) && !self.rest.is_empty() {
                    path.steps.push(self.field()?);
                }
            } else if self.eat("[") {
                path.steps.push(self.bracket()?);
            } else if self.rest == before && !path.from_root && path.steps.is_empty() && self.at_name() {
                return Err(format!(
                    "unrecognized identifier {}",
                    self.take_while(|letter| !matches!(letter, '}' | ' '))
                ));
            } else {
                return Ok(path);
            }
        }
    }

    fn at_name(&self) -> bool {
        self.rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
    }

    fn field(&mut self) -> Result<Step, String> {
        let mut name = String::new();
        loop {
            name.push_str(self.take_while(|letter| !".[]{}() \\=!<>,|&\n\t".contains(letter)));
            if !self.eat("\\") {
                break;
            }
            // A backslash takes the dot behind it into the name.
            let mut letters = self.rest.chars();
            name.extend(letters.next());
            self.rest = letters.as_str();
        }
        match name.as_str() {
            "" => Err(format!("a name is missing at {:?}", self.rest)),
            "*" => Ok(Step::Every),
            _ => Ok(Step::Field(name)),
        }
    }

    fn bracket(&mut self) -> Result<Step, String> {
        self.skip_spaces();
        if self.eat("?(") {
            return self.filter();
        }
        if self.eat("*") {
            self.expect("]")?;
            return Ok(Step::Every);
        }
        if self.rest.starts_with(['"', '\'']) {
            let mut names = vec![self.quoted()?];
            while {
                self.skip_spaces();
                self.eat(",")
            } {
                self.skip_spaces();
                names.push(self.quoted()?);
            }
            self.expect("]")?;
            return Ok(Step::Fields(names));
        }
        let inside = self.take_while(|letter| letter != ']');
        self.expect("]")?;
        let invalid = || format!("invalid array index {inside}");
        let number = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse::<i64>().map(Some).map_err(|_| invalid()),
        };
        if inside.contains(':') {
            let bounds: Vec<&str> = inside.split(':').collect();
            let (start, end) = (number(bounds[0])?, number(bounds[1])?);
            let step = bounds.get(2).map_or(Ok(None), |text| number(text))?.unwrap_or(1);
            return Ok(Step::Slice { start, end, step });
        }
        let indexes: Result<Vec<i64>, String> =
            inside.split(',').map(|text| number(text)?.ok_or_else(invalid)).collect();
        Ok(Step::Indexes(indexes?))
    }

    fn filter(&mut self) -> Result<Step, String> {
        self.skip_spaces();
        let left = self.operand()?;
        self.skip_spaces();
        if self.eat(")") {
            self.expect("]")?;
            return match left {
                Operand::Path(path) => Ok(Step::Exists(path)),
                Operand::Value(_) => Err("a filter needs a path".to_owned()),
            };
        }
        let known = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let Some((_, comparison)) = known.into_iter().find(|(sign, _)| self.eat(sign)) else {
            return Err(format!("unrecognized filter operator at {:?}", self.rest));
        };
        self.skip_spaces();
        let right = self.operand()?;
        self.expect(")")?;
        self.expect("]")?;
        Ok(Step::Filter(left, comparison, right))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        if self.rest.starts_with(['"', '\'']) {
            return Ok(Operand::Value(Value::String(self.quoted()?)));
        }
        if self.rest.starts_with(['@', '$', '.']) {
            return Ok(Operand::Path(self.path()?));
        }
        let word = self.take_while(|letter| !matches!(letter, ')' | '=' | '!' | '<' | '>' | ' '));
        serde_json::from_str(word).map(Operand::Value).map_err(|_| format!("unrecognized value {word:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(template: &str) -> String {
        let object = json!({
            "kind": "List",
            "items": [
                {"metadata": {"name": "a", "labels": {"x.io/b": "1"}}, "status": {"n": 1, "conditions": [{"type": "Ready", "status": "True"}]}},
                {"metadata": {"name": "b"}, "status": {"n": 20, "conditions": [{"type": "Ready", "status": "False"}]}},
                {"metadata": {"name": "c"}, "status": {"n": 3}},
            ],
        });
        Template::parse(template).and_then(|template| template.render(&object)).unwrap_or_else(|error| error)
    }

    #[test]
    fn paths_are_followed() {
        assert_eq!(render("{.kind}"), "List");
        assert_eq!(render("{.items[*].metadata.name}"), "a b c");
        assert_eq!(render("{.items[0].metadata.name},{.items[-1].metadata.name}"), "a,c");
        assert_eq!(render("{.items[0:2].metadata.name}"), "a b");
        assert_eq!(render("{.items[::2].metadata.name}"), "a c");
        assert_eq!(render("{.items[0,2].metadata.name}"), "a c");
        assert_eq!(render(r"{.items[0].metadata.labels.x\.io/b}"), "1");
        assert_eq!(render("{.items[0].metadata.labels['x.io/b']}"), "1");
        assert_eq!(render("{.items[0]['metadata','status'].name}"), "a");
        assert_eq!(render("{.items[*]['metadata.name','status.n']}"), "a b c 1 20 3");
        assert_eq!(render("{..name}"), "a b c");
        assert_eq!(render("{.items[0].metadata}"), r#"{"labels":{"x.io/b":"1"},"name":"a"}"#);
        assert_eq!(render("{.nothing.here}"), "");
    }

    #[test]
    fn ranges_and_texts_are_repeated() {
        assert_eq!(render(r#"{range .items[*]}{.metadata.name}={.status.n}{"\n"}{end}"#), "a=1\nb=20\nc=3\n");
        assert_eq!(render(r#"{range .items[*]}{.metadata.name}{"\t"}{$.kind};{end}."#), "a\tList;b\tList;c\tList;.");
    }

    #[test]
    fn filters_choose() {
        assert_eq!(render("{.items[?(@.metadata.name==\"b\")].status.n}"), "20");
        assert_eq!(render("{.items[?(@.status.n>2)].metadata.name}"), "b c");
        assert_eq!(render("{.items[?(@.status.conditions)].metadata.name}"), "a b");
        assert_eq!(render("{.items[*].status.conditions[?(@.type=='Ready')].status}"), "True False");
    }

    #[test]
    fn mistakes_are_told() {
        assert!(render("{.a").contains("unclosed action"));
        assert!(render("{range .items[*]}x").contains("unclosed range"));
        assert!(render("{end}").contains("out of place"));
        assert!(render("{.a[x]}").contains("invalid array index x"));
        assert!(Template::parse("").is_err());
        assert!(render("{foo}").contains("unrecognized identifier foo"));
    }

    #[test]
    fn a_relaxed_path_needs_no_braces() {
        let object = json!({"metadata": {"name": "a"}});
        for text in ["metadata.name", ".metadata.name", "{.metadata.name}", "{metadata.name}"] {
            assert_eq!(Template::parse_relaxed(text).unwrap().render(&object).unwrap(), "a");
        }
    }
}
