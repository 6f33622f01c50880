//! Plots: a line for each column that is drawn, both axes logarithmic, so that what is flat looks flat in any unit.

use std::fs;
use std::io::Error;
use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;
use telephone_peers::failed::{Failed, io};
use telephone_peers::table::grouped;

use crate::figures::Taken;

/// Width and height.
const SIZE: (u32, u32) = (760, 440);

/// A colour for each line, apart also to eyes that see red and green as one.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 90, 181), RGBColor(220, 50, 32), RGBColor(0, 130, 110), RGBColor(130, 80, 160)];

/// What is left free at both ends of the horizontal axis.
const MARGIN: f64 = 1.3;

/// The places of a line, from left to right.
type Places = Vec<(f64, f64)>;

/// Writes a plot of each curve that has figures, as `NAME.svg`.
///
/// # Errors
/// If a file cannot be written.
pub fn write(taken: &[Taken], directory: &Path) -> Result<(), Failed> {
    for one in taken.iter().filter(|one| !one.is_empty()) {
        let path = directory.join(format!("{}.svg", one.name));
        let text = svg(one).map_err(io(format!("to draw {}", path.display())))?;
        let written = fs::create_dir_all(directory).and_then(|()| fs::write(&path, text));
        written.map_err(io(path.display().to_string()))?;
    }
    Ok(())
}

/// A plot of a curve, on white, so that it can be read on a page of any colour.
///
/// # Errors
/// If the library cannot draw it.
pub fn svg(taken: &Taken) -> Result<String, Error> {
    let mut text = String::new();
    draw(taken, SVGBackend::with_string(&mut text, SIZE)).map_err(|error| Error::other(error.to_string()))?;
    Ok(text)
}

fn draw(taken: &Taken, backend: SVGBackend<'_>) -> Result<(), DrawingAreaErrorKind<Error>> {
    let lines = lines(taken);
    let unit = taken.unit;
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&area);
    builder.caption(taken.name, ("sans-serif", 20)).margin(12).x_label_area_size(44).y_label_area_size(56);
    let across = across(taken).log_scale().base(unit.base());
    let mut chart = builder.build_cartesian_2d(across, upwards(&lines).log_scale())?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).bold_line_style(BLACK.mix(0.15)).x_labels(5).y_labels(8);
    mesh.x_desc(taken.axis);
    mesh.x_label_formatter(&|&place| unit.tick(place)).y_label_formatter(&|&value| tick(value)).draw()?;
    for ((name, places), colour) in lines.into_iter().zip(COLOURS.into_iter().cycle()) {
        let style = colour.filled().stroke_width(2);
        let drawn = chart.draw_series(LineSeries::new(places, style).point_size(3))?;
        drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    let mut legend = chart.configure_series_labels();
    legend.position(SeriesLabelPosition::UpperRight).background_style(WHITE.mix(0.85));
    legend.border_style(BLACK.mix(0.3)).label_font(("sans-serif", 14)).draw()?;
    area.present()
}

/// The lines with their names. What is not above zero has no place.
fn lines(taken: &Taken) -> Vec<(&'static str, Places)> {
    let columns = taken.columns.iter().enumerate().filter(|(_, column)| column.is_drawn);
    let line = |index| {
        let places =
            taken.points.iter().map(|point| Some((taken.unit.place(point.at), point.median(index)?)));
        places.flatten().filter(|(_, value)| *value > 0.0).collect()
    };
    columns.map(|(index, column)| (column.name, line(index))).collect()
}

fn across(taken: &Taken) -> Range<f64> {
    let place = |at: Option<&crate::figures::Point>| at.map_or(1.0, |point| taken.unit.place(point.at));
    place(taken.points.first()) / MARGIN..place(taken.points.last()) * MARGIN
}

/// Whole decades below, and one above for the legend.
fn upwards(lines: &[(&'static str, Places)]) -> Range<f64> {
    let values = lines.iter().flat_map(|(_, places)| places).map(|(_, value)| value.log10());
    let (least, most) =
        values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
    if least > most { 1.0..10.0 } else { 10_f64.powf(least.floor())..10_f64.powf(most + 1.0) }
}

/// A decade as text, with as many decimals as it needs.
fn tick(value: f64) -> String {
    let decimals = (-value.log10().round()).max(0.0) as usize;
    if decimals == 0 { grouped(&format!("{value:.0}")) } else { format!("{value:.decimals$}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::tests::sample;

    #[test]
    fn a_plot_has_each_point_of_each_drawn_line_and_no_other() {
        let text = svg(&sample()).expect("a plot");
        assert_eq!(text.matches("<circle").count(), 3 + 2, "{text}");
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{text}");
    }

    #[test]
    fn a_plot_is_white_and_says_what_it_shows() {
        let text = svg(&sample()).expect("a plot");
        let (width, height) = SIZE;
        let background = format!("<rect x=\"0\" y=\"0\" width=\"{width}\" height=\"{height}\"");
        let first = text.lines().nth(1).unwrap_or_default();
        assert!(first.starts_with(&background) && first.contains("fill=\"#FFFFFF\""), "{text}");
        for word in ["things", "things in a relay", "CPU µs", "KiB", "1", "10,000"] {
            assert!(text.lines().any(|line| line.trim() == word), "{word} is not in {text}");
        }
        assert!(!text.contains("requests/s"), "{text}");
    }

    #[test]
    fn more_lies_further_right_and_higher() {
        let text = svg(&sample()).expect("a plot");
        let attribute = |line: &str, name: &str| -> f64 {
            let value = line.split(name).nth(1).and_then(|rest| rest.split('"').nth(1));
            value.and_then(|value| value.parse().ok()).expect("a number")
        };
        let circles: Vec<_> = text.lines().filter(|line| line.starts_with("<circle")).collect();
        let across: Vec<_> = circles[..3].iter().map(|circle| attribute(circle, " cx=")).collect();
        assert!(across.is_sorted_by(|one, next| one < next), "{across:?}");
        // 25 and 21 µs; heights are counted from above.
        assert!(attribute(circles[0], " cy=") < attribute(circles[1], " cy="), "{text}");
    }

    #[test]
    fn a_curve_without_a_figure_above_zero_can_be_drawn() {
        let mut taken = sample();
        taken.points.iter_mut().for_each(|point| point.turns = vec![Some(vec![Some(0.0), None, None])]);
        assert_eq!(svg(&taken).expect("an empty plot").matches("<circle").count(), 0);
    }

    #[test]
    fn decades_have_the_decimals_that_they_need() {
        let decades = [0.01, 0.1, 1.0, 10.0, 1e6].map(tick);
        assert_eq!(decades, ["0.01", "0.1", "1", "10", "1,000,000"]);
    }
}
