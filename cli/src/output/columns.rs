//! Text in columns: cells that a tab ends are padded to the widest of those above and below them.

use std::fmt::Write;

/// Pads each run of cells. The last cell of a line belongs to no column, as in Go's `text/tabwriter`.
pub fn align(text: &str, least: usize, padding: usize) -> String {
    let lines: Vec<Vec<&str>> = text.split_terminator('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len().saturating_sub(1)]).collect();
    let most = widths.iter().map(Vec::len).max().unwrap_or_default();
    for column in 0..most {
        let mut line = 0;
        while line < lines.len() {
            let end = (line..lines.len()).find(|at| column >= widths[*at].len()).unwrap_or(lines.len());
            let widest = (line..end).map(|at| lines[at][column].chars().count()).max().unwrap_or_default();
            for row in &mut widths[line..end] {
                row[column] = least.max(widest + padding);
            }
            line = end + 1;
        }
    }
    let mut aligned = String::with_capacity(text.len() * 2);
    for (cells, widths) in lines.iter().zip(&widths) {
        push_line(&mut aligned, cells, widths);
        aligned.push('\n');
    }
    aligned
}

/// Appends the cells, all but the last padded.
pub fn push_line<T: AsRef<str>>(out: &mut String, cells: &[T], widths: &[usize]) {
    for (at, cell) in cells.iter().enumerate() {
        let cell = cell.as_ref();
        match widths.get(at) {
            Some(width) if at + 1 < cells.len() => {
                let _ = write!(out, "{cell:<width$}");
            }
            _ => out.push_str(cell),
        }
    }
}

/// Shows what would steer a terminal instead of sending it there.
pub fn escape(text: &str) -> String {
    if text.contains(['\u{1b}', '\r']) { text.replace('\u{1b}', "^[").replace('\r', "\\r") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_lasts_as_long_as_its_cells_follow_each_other() {
        let text = "Name:\tx\nLabels:\ta=b\n\tc=d\nNext:\n  Longer Title:\ty\n";
        assert_eq!(align(text, 0, 2), "Name:    x\nLabels:  a=b\n         c=d\nNext:\n  Longer Title:  y\n");
    }

    #[test]
    fn cells_are_as_wide_as_their_letters() {
        assert_eq!(align("é\tx\nab\ty\n", 0, 1), "é  x\nab y\n");
        assert_eq!(align("a\tb\tc\n", 6, 3), "a     b     c\n");
        assert_eq!(escape("a\u{1b}[31mb"), "a^[[31mb");
    }
}
