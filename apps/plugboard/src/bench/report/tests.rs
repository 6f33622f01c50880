use super::*;

fn trouble(count: u64, first: &str) -> Trouble {
    Trouble { count, first: first.into() }
}

/// A thousand answers of 100 KiB in two seconds of 1 to 1,000 ms, one of them after the end.
fn figures() -> Figures {
    let mut tally = Tally::new().unwrap();
    for latency in 1..=1000 {
        tally.latency.record(latency * 1000).unwrap();
        tally.first.record(1000).unwrap();
    }
    tally.statuses.extend([(200, 990), (503, 10)]);
    tally.mishaps.insert(MishapKind::Reset, trouble(2, "connection reset by peer"));
    let counts = Counts { answers: 999, mishaps: 2, received: 999 * 102_400, sent: 0 };
    Figures::new(Window { time: Duration::from_secs(2), counts }, &tally, 0)
}

#[test]
fn rates_are_of_the_window_and_latencies_of_all_answers() {
    let figures = figures();
    assert_eq!((figures.answers, figures.answers_late), (1000, 1));
    assert_eq!(figures.requests_per_second, 499.5);
    assert_eq!(figures.down_megabytes_per_second, 51.149);
    let Quantiles { p50, p90, p99, p999, max } = figures.latency_milliseconds;
    for (quantile, wanted) in [(p50, 500.0), (p90, 900.0), (p99, 990.0), (p999, 999.0), (max, 1000.0)] {
        // Three figures of a time are kept.
        assert!((quantile - wanted).abs() <= wanted / 999.0, "{quantile} beside {wanted}");
    }
}

#[test]
fn the_table_of_one_run_has_a_row_for_each_figure_and_no_ratio() {
    let figures = figures();
    let text = text("http://a/ at 127.0.0.1:80", &[Column { name: "", figures: &figures }]);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        ["requests/s", "500"].as_slice(),
        &["MB/s", "down", "51.15"],
        &["latency", "p50", "500", "ms"],
        &["first", "octet", "p99", "1.00", "ms"],
        &["status", "200", "990"],
        &["status", "503", "10"],
        &["error", "reset", "2"],
        &["such", "as:", "connection", "reset", "by", "peer"],
    ] {
        assert!(rows.iter().any(|line| line == row), "{row:?} is not in\n{text}");
    }
    for absent in ["up", "direct", "after the end", "never sent"] {
        assert!(!text.contains(absent), "{text}");
    }
}

#[test]
fn two_runs_stand_side_by_side_with_their_ratio() {
    let direct = figures();
    let mut tunnel = figures();
    tunnel.requests_per_second = 111.0;
    tunnel.statuses = BTreeMap::from([(502, 1)]);
    (tunnel.unsent, tunnel.answers_late) = (500, 20);
    let columns = [Column { name: "direct", figures: &direct }, Column { name: "tunnel", figures: &tunnel }];
    let text = text("both", &columns);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        ["requests/s", "500", "111", "0.22"].as_slice(),
        &["latency", "p50", "500", "ms", "500", "ms", "1.00"],
        &["status", "200", "990", "0"],
        &["status", "502", "0", "1"],
        &["answers", "after", "the", "end", "1", "20"],
        &["due", "and", "never", "sent", "0", "500"],
    ] {
        assert!(rows.iter().any(|line| line == row), "{row:?} is not in\n{text}");
    }
    assert!(text.contains("more --connections"), "{text}");
    let ratio = serde_json::to_value(Ratio::new(&tunnel, &direct)).unwrap();
    assert_eq!(ratio["requests_per_second"], 0.222);
}

#[test]
fn json_has_the_names_that_scripts_read() {
    let json = serde_json::to_value(figures()).unwrap();
    assert_eq!(json["requests_per_second"], 499.5);
    assert!(json["latency_milliseconds"]["p99.9"].as_f64().unwrap() > 990.0);
    assert_eq!(json["statuses"]["503"], 10);
    assert_eq!(json["errors"]["reset"], serde_json::json!({"count": 2, "first": "connection reset by peer"}));
}

#[test]
fn a_run_without_answers_has_figures_too() {
    let window = Window { time: Duration::ZERO, counts: Counts::default() };
    let empty = Figures::new(window, &Tally::new().unwrap(), 0);
    assert!(!empty.has_good_answer());
    assert_eq!(empty.answer_bytes_mean, 0);
    assert!(text("nothing", &[Column { name: "", figures: &empty }]).contains("requests/s"));
    assert_eq!(Ratio::new(&empty, &empty).latency_p50, None);
}
