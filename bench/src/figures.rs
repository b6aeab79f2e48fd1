//! What was measured: durations into percentiles, figures into a table or JSON.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// How long each of many alike things took.
#[derive(Debug, Default)]
pub struct Durations(Vec<Duration>);

impl Durations {
    pub fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The duration that this share of all do not exceed.
    pub fn percentile(&mut self, share: f64) -> Duration {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.0.get(at).copied().unwrap_or_default()
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: String,
}

#[derive(Debug, Default)]
pub struct Report(Vec<Figure>);

impl Report {
    pub fn add(&mut self, name: impl Into<String>, value: f64, unit: &str) {
        self.0.push(Figure { name: name.into(), value, unit: unit.to_owned() });
    }

    /// The median and the slowest hundredth, in milliseconds.
    pub fn add_durations(&mut self, name: &str, durations: &mut Durations) {
        for (label, share) in [("p50", 0.5), ("p99", 0.99)] {
            self.add(format!("{name}, {label}"), durations.percentile(share).as_secs_f64() * 1e3, "ms");
        }
    }

    pub fn json(&self) -> String {
        let figure = |figure: &Figure| json!({"name": figure.name, "value": figure.value, "unit": figure.unit});
        let all: Vec<Value> = self.0.iter().map(figure).collect();
        format!("{:#}", json!({ "figures": all }))
    }

    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        let value: Value = serde_json::from_str(&text).with_context(|| format!("understand {}", file.display()))?;
        let figure = |figure: &Value| {
            let text = |key: &str| figure[key].as_str().map(str::to_owned);
            Some(Figure { name: text("name")?, value: figure["value"].as_f64()?, unit: text("unit")? })
        };
        Ok(Self(value["figures"].as_array().into_iter().flatten().filter_map(figure).collect()))
    }

    /// A line for each figure, beside that of an earlier report.
    pub fn table(&self, earlier: Option<&Self>) -> String {
        let width = self.0.iter().map(|figure| figure.name.len()).max().unwrap_or_default();
        let mut text = String::new();
        for figure in &self.0 {
            write!(text, "{:width$}  {:>10} {:<5}", figure.name, rounded(figure.value), figure.unit).ok();
            let known = earlier.and_then(|report| report.0.iter().find(|known| known.name == figure.name));
            if let Some(known) = known.filter(|known| known.unit == figure.unit) {
                let factor = rounded(known.value / figure.value);
                write!(text, "  against {:>10} {:<5} = {factor} times this", rounded(known.value), known.unit).ok();
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

/// Three digits that count.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let mut durations = Durations::default();
        (1..=101).rev().for_each(|number| durations.add(Duration::from_millis(number)));
        assert_eq!(durations.percentile(0.5), Duration::from_millis(51));
        assert_eq!(durations.percentile(0.99), Duration::from_millis(100));
        assert_eq!(durations.percentile(1.0), Duration::from_millis(101));
        assert_eq!(Durations::default().percentile(0.5), Duration::ZERO);
    }

    #[test]
    fn a_report_is_read_back_and_compared_with() {
        let mut report = Report::default();
        report.add("create", 440.0, "/s");
        report.add("get, p50", 0.5, "ms");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), report.json()).unwrap();
        let earlier = Report::read(file.path()).unwrap();
        assert_eq!(earlier.0, report.0);
        let mut faster = Report::default();
        faster.add("create", 4_400.0, "/s");
        faster.add("new", 1.0, "MB");
        let table = faster.table(Some(&earlier));
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines,
            ["create        4400 /s     against        440 /s    = 0.100 times this", "new           1.00 MB"]
        );
    }
}
