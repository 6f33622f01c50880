//! Tables, aligned for a terminal or in Markdown.

use crate::figures::{Figures, Taken};
use crate::statistics::{median, ratio, spread};

/// How tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For a terminal.
    Plain,
    /// To be pasted into a document.
    Markdown,
}

/// All tables of a run, with ratios to `reference`; none of what had no turn.
pub fn tables(figures: &Figures, reference: &str, style: Style) -> String {
    let tables = figures.measures.iter().filter(|taken| !taken.is_empty()).map(|taken| {
        let title = match style {
            Style::Plain => format!("{}: {}\n", taken.name, taken.about),
            Style::Markdown => format!("`{}`: {}\n\n", taken.name, taken.about),
        };
        title + &align(&rows(taken, reference), style) + "\n" + &failures(taken)
    });
    tables.collect()
}

/// How far the direct line's figures lay apart from round to round, which is the machine's noise; empty if it was not
/// measured.
pub fn noise(figures: &Figures) -> String {
    let spreads = figures.measures.iter().filter_map(|taken| {
        let spread = spread(&present(&taken.column("direct", 0)))?;
        Some(format!("{} {}", taken.name, percent(spread)))
    });
    let spreads: Vec<_> = spreads.collect();
    if spreads.is_empty() {
        return String::new();
    }
    format!(
        "noise, as the spread of the direct line's first figure over the rounds: {}\n",
        spreads.join(", ")
    )
}

/// The cells, those of the title first. What has no figure at all has no row.
fn rows(taken: &Taken, reference: &str) -> Vec<Vec<String>> {
    let mut title = vec!["system".to_owned()];
    for column in &taken.columns {
        title.push(column.name.to_owned());
        if column.is_compared {
            title.extend(["±".to_owned(), "ratio".to_owned()]);
        }
    }
    let mut rows = vec![title];
    for (system, _) in taken.systems.iter().filter(|(system, _)| taken.has_figures(system)) {
        let mut row = vec![(*system).to_owned()];
        for (index, column) in taken.columns.iter().enumerate() {
            let values = taken.column(system, index);
            let present = present(&values);
            row.push(cell(median(&present), number));
            if column.is_compared {
                row.push(cell(spread(&present), percent));
                row.push(cell(ratio(&values, &taken.column(reference, index)), |ratio| {
                    format!("{ratio:.2}")
                }));
            }
        }
        rows.push(row);
    }
    rows
}

/// The turns that failed, on one line if there are any.
fn failures(taken: &Taken) -> String {
    let failed = taken.systems.iter().map(|(system, turns)| (system, taken.failures(system), turns.len()));
    let failed = failed.filter(|(_, count, _)| *count > 0);
    let failed: Vec<_> =
        failed.map(|(system, count, turns)| format!("{system} in {count} of {turns} rounds")).collect();
    if failed.is_empty() { String::new() } else { format!("failed and left out: {}\n\n", failed.join(", ")) }
}

fn present(values: &[Option<f64>]) -> Vec<f64> {
    values.iter().copied().flatten().collect()
}

fn cell(value: Option<f64>, write: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), write)
}

/// A share in percent.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// With three significant digits at least, and commas between thousands.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0..9.995 => format!("{value:.2}"),
        9.995..99.95 => format!("{value:.1}"),
        _ => grouped(&format!("{value:.0}")),
    }
}

/// Digits with commas between thousands.
pub fn grouped(digits: &str) -> String {
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

/// Names to the left, figures to the right; the first row is the title.
pub fn align(rows: &[Vec<String>], style: Style) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |index: usize| rows.iter().map(|row| row[index].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(index, (cell, &width))| match index {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        let cells: Vec<_> = cells.collect();
        match style {
            Style::Plain => text += &(cells.join("  ").trim_end().to_owned() + "\n"),
            Style::Markdown => text += &format!("| {} |\n", cells.join(" | ")),
        }
        if at == 0 && style == Style::Markdown {
            text += &format!("|---|{}\n", "---:|".repeat(columns.saturating_sub(1)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tests::sample;

    #[test]
    fn numbers_have_three_digits_and_commas() {
        assert_eq!(number(0.034), "0.03");
        assert_eq!(number(9.999), "10.0");
        assert_eq!(number(123.4), "123");
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(204_310.4), "204,310");
    }

    #[test]
    fn a_plain_table_is_aligned() {
        let expected = "\
keepalive: many requests
system      req/s     ±  ratio  relay µs
direct     50,000  10 %   1.00         –
telephone  20,000  30 %   0.45      12.2

failed and left out: direct in 1 of 3 rounds

";
        assert_eq!(tables(&sample(), "direct", Style::Plain), expected);
    }

    #[test]
    fn a_table_in_markdown_says_where_its_columns_lie() {
        let text = tables(&sample(), "telephone", Style::Markdown);
        assert!(text.contains("\n|---|---:|---:|---:|---:|\n"), "{text}");
        assert!(text.contains("| telephone | 20,000 | 30 % |  1.00 |     12.2 |\n"), "{text}");
    }

    #[test]
    fn noise_is_the_spread_of_the_direct_line() {
        assert!(noise(&sample()).ends_with(": keepalive 10 %\n"));
        assert_eq!(noise(&Figures::default()), "");
    }
}
