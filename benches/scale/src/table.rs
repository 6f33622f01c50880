//! Tables, aligned for a terminal or in Markdown.

use telephone_peers::table::{Style, align, number, percent};

use crate::figures::{Point, Taken};

/// All tables of a run; none of what has no figures.
pub fn tables(taken: &[Taken], style: Style) -> String {
    taken.iter().filter(|one| !one.is_empty()).map(|one| table(one, style)).collect()
}

fn table(taken: &Taken, style: Style) -> String {
    let title = match style {
        Style::Plain => format!("{}: {}\n", taken.name, taken.about),
        Style::Markdown => format!("`{}`: {}\n\n", taken.name, taken.about),
    };
    let mut rows = vec![vec![taken.axis.to_owned()]];
    rows[0].extend(taken.columns.iter().map(|column| column.name.to_owned()));
    rows.extend(taken.points.iter().map(|point| row(taken, point)));
    let failures = match taken.failures() {
        0 => String::new(),
        count => format!("failed and left out: {count} turns\n\n"),
    };
    title + &align(&rows, style) + "\n" + &failures
}

fn row(taken: &Taken, point: &Point) -> Vec<String> {
    let cell = |index| match (point.median(index), point.spread(index)) {
        (Some(median), Some(spread)) => format!("{} ± {}", number(median), percent(spread)),
        (Some(median), None) => number(median),
        (None, _) => "–".to_owned(),
    };
    [taken.unit.label(point.at)].into_iter().chain((0..taken.columns.len()).map(cell)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tests::sample;

    #[test]
    fn a_table_has_a_row_for_each_point() {
        let expected = "\
things: what a thing costs
things in a relay       CPU µs         KiB     requests/s
1                  25.0 ± 10 %           –  100,000 ± 0 %
100                 21.0 ± 2 %  9.00 ± 0 %  100,000 ± 0 %
10,000              24.0 ± 2 %  8.50 ± 3 %  100,000 ± 0 %

failed and left out: 1 turns

";
        assert_eq!(tables(&[sample()], Style::Plain), expected);
    }

    #[test]
    fn what_has_no_figures_has_no_table() {
        let mut taken = sample();
        taken.points.iter_mut().for_each(|point| point.turns = vec![None]);
        assert_eq!(tables(&[taken], Style::Markdown), "");
    }
}
