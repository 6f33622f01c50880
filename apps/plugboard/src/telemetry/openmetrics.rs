//! The text format of Prometheus as OpenMetrics 1.0, for collectors that ask for it.

use std::fmt::Write as _;

/// The media type of the text format of Prometheus.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The media type of OpenMetrics.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether a collector takes OpenMetrics 1.0 at least as gladly as the text format, by its `Accept` (RFC 9110 §12.5.1).
pub fn is_wanted(accept: &str) -> bool {
    let (mut open, mut text) = (0.0, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let (mut quality, mut version) = (1.0, "1.0.0");
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "q" => quality = value.trim().parse::<f64>().unwrap_or(0.0),
                "version" => version = value.trim().trim_matches('"'),
                _ => {}
            }
        }
        if kind.eq_ignore_ascii_case("application/openmetrics-text") && version == "1.0.0" {
            open = quality.max(open);
        } else if ["text/plain", "text/*", "*/*"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
            text = quality.max(text);
        }
    }
    open > 0.0 && open >= text
}

/// The same metrics as OpenMetrics: a counter's family has its name without `_total`, bounds of buckets are floats, no line is
/// empty, and the end is marked. `exemplar` is what stands behind a sample, if something does.
pub(super) fn from_text(text: &str, exemplar: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    // `HELP` stands in front of `TYPE`, and both must name the family.
    let mut help = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let family = if kind == "counter" { name.strip_suffix("_total").unwrap_or(name) } else { name };
            // A string takes everything.
            let _ = writeln!(out, "# TYPE {family} {kind}");
            if let Some((_, words)) = help.take().filter(|(named, _)| *named == name) {
                let _ = writeln!(out, "# HELP {family} {words}");
            }
        } else {
            out.push_str(&with_float_bound(line));
            out.push_str(&exemplar(line).unwrap_or_default());
            out.push('\n');
        }
    }
    out.push_str("# EOF\n");
    out
}

/// A sample whose bucket's bound, if it is a whole number, is written as a float.
fn with_float_bound(line: &str) -> String {
    const BOUND: &str = "le=\"";
    let bound = line.split_once(BOUND).and_then(|(before, rest)| Some((before, rest.split_once('"')?)));
    match bound {
        Some((before, (bound, behind))) if bound.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{before}{BOUND}{bound}.0\"{behind}")
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_given_to_collectors_that_prefer_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus, true),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", true),
            ("application/openmetrics-text", true),
            ("text/plain;version=0.0.4;q=0.9, application/openmetrics-text;version=1.0.0;q=0.3", false),
            ("application/openmetrics-text;version=0.0.1", false),
            ("application/openmetrics-text;q=0", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(is_wanted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn families_are_named_without_total_and_the_end_is_marked() {
        let text = "# HELP a_total Of a\n# TYPE a_total counter\na_total{x=\"y\"} 2\n\n# TYPE b histogram\n\
                    b_bucket{le=\"0.5\"} 1\nb_bucket{le=\"10\"} 1\nb_bucket{le=\"+Inf\"} 1\nb_sum 0.1\nb_count 1\n\n";
        assert_eq!(
            from_text(text, |sample| sample.contains("0.5").then(|| " # {} 0.1".into())),
            "# TYPE a counter\n# HELP a Of a\na_total{x=\"y\"} 2\n# TYPE b histogram\n\
             b_bucket{le=\"0.5\"} 1 # {} 0.1\nb_bucket{le=\"10.0\"} 1\nb_bucket{le=\"+Inf\"} 1\nb_sum 0.1\nb_count 1\n# EOF\n"
        );
    }
}
