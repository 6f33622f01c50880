//! Variables that become flags, on a small command line.

use super::*;
use crate::exit::Exit;

const NAMING: Naming = Naming {
    prefix: "P_",
    stand_ins: &[StandIn { option: "port", name: "OTHER_PORT", unless: &["A_PORT", "URL"] }],
    rivals: &[("port", "url")],
};

fn command() -> Command {
    let arg = |id: &'static str, env: &'static str| Arg::new(id).long(id).env(env);
    let port = arg("port", "A_PORT").value_name("N").value_parser(clap::value_parser!(u16));
    let switch = arg("switch", "SWITCH").action(ArgAction::SetTrue);
    let verb = Command::new("verb").arg(arg("inner", "INNER"));
    Command::new("p")
        .args([port, arg("url", "URL"), arg("list", "LIST").action(ArgAction::Append), switch])
        .subcommand(verb)
}

fn read(line: &str, variables: &[(&str, &str)]) -> Result<Parsed, Stop> {
    let args = std::iter::once("p").chain(line.split_whitespace()).map(OsString::from).collect();
    let environment = |name: &str| {
        variables.iter().find(|variable| variable.0 == name).map(|variable| OsString::from(variable.1))
    };
    parse(command(), args, &NAMING, &environment)
}

fn list(line: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let parsed = read(line, variables).unwrap();
    parsed.matches.get_many::<String>("list").into_iter().flatten().cloned().collect()
}

#[test]
fn a_list_is_split_at_commas_and_empty_parts_are_left_out() {
    assert_eq!(list("", &[("LIST", " a, b ,,c, ")]), ["a", "b", "c"]);
    assert!(list("", &[("LIST", " , ,")]).is_empty());
    assert_eq!(list("--list a,b", &[("LIST", "c")]), ["a,b"]);
}

#[test]
fn a_switch_takes_the_usual_words() {
    for (word, is_on) in [
        ("1", true),
        ("on", true),
        ("YES", true),
        ("true", true),
        ("0", false),
        ("off", false),
        ("no", false),
        ("", false),
    ] {
        assert_eq!(read("", &[("SWITCH", word)]).unwrap().matches.get_flag("switch"), is_on, "{word:?}");
    }
    let stop = read("", &[("P_SWITCH", "maybe")]).unwrap_err();
    assert!(stop.text().contains("'maybe' for '--switch (P_SWITCH)'"), "{}", stop.text());
}

#[test]
fn a_wrong_value_names_the_variable_that_has_it() {
    for name in ["A_PORT", "P_A_PORT", "OTHER_PORT", "P_OTHER_PORT"] {
        let stop = read("", &[(name, "x")]).unwrap_err();
        assert_eq!(stop.exit(), Exit::Usage);
        assert!(stop.text().contains(&format!("'x' for '--port <N> ({name})'")), "{}", stop.text());
    }
    let stop = read("--port x", &[("A_PORT", "1")]).unwrap_err();
    assert!(!stop.text().contains("A_PORT"), "{}", stop.text());
}

#[test]
fn an_error_behind_the_parser_names_the_variable_that_was_read_too() {
    let parsed = read("", &[("OTHER_PORT", "1")]).unwrap();
    let stop = parsed.name_variables(&Usage::new("--port 1 (A_PORT)", "it is taken"));
    assert!(stop.text().starts_with("error: --port 1 (OTHER_PORT): it is taken\n"), "{}", stop.text());
    let parsed = read("--port 1", &[("OTHER_PORT", "1")]).unwrap();
    assert!(parsed.name_variables(&Usage::new("--port 1 (A_PORT)", "x")).text().contains("(A_PORT)"));
}

#[test]
fn another_name_is_read_while_none_that_it_stands_for_is_set() {
    let port =
        |variables: &[(&str, &str)]| read("", variables).unwrap().matches.get_one::<u16>("port").copied();
    assert_eq!(port(&[("OTHER_PORT", "2")]), Some(2));
    assert_eq!(port(&[("OTHER_PORT", "2"), ("A_PORT", "1")]), Some(1));
    assert_eq!(port(&[("OTHER_PORT", "2"), ("A_PORT", "")]), Some(2));
    assert_eq!(port(&[("OTHER_PORT", "2"), ("URL", "u")]), None);
    assert_eq!(port(&[("OTHER_PORT", "2"), ("P_URL", "u")]), None);
    assert_eq!(port(&[("OTHER_PORT", "2"), ("URL", " ")]), Some(2));
}

#[test]
fn a_port_that_kubernetes_set_for_a_service_is_not_set() {
    for link in ["tcp://10.96.0.12:80", "udp://10.96.0.12:53", "sctp://10.96.0.12:1"] {
        let parsed = read("", &[("A_PORT", link), ("OTHER_PORT", link)]).unwrap();
        assert!(parsed.read.is_empty(), "{link}");
        let parsed = read("", &[("A_PORT", link), ("OTHER_PORT", "2")]).unwrap();
        assert_eq!(parsed.matches.get_one::<u16>("port"), Some(&2));
    }
    // What is no port may begin so.
    let parsed = read("", &[("URL", "tcp://10.96.0.12:80")]).unwrap();
    assert_eq!(parsed.matches.get_one::<String>("url").unwrap(), "tcp://10.96.0.12:80");
}

#[test]
fn a_flag_overrules_the_variable_of_its_rival_before_that_is_parsed() {
    let parsed = read("--url u", &[("A_PORT", "garbage"), ("OTHER_PORT", "garbage")]).unwrap();
    assert!(parsed.read.is_empty() && parsed.matches.get_one::<u16>("port").is_none());
    let both = read("", &[("A_PORT", "1"), ("URL", "u")]).unwrap();
    assert_eq!(both.read.len(), 2);
}

#[test]
fn a_verb_reads_its_own_variables_and_none_of_the_programs() {
    let parsed = read("verb", &[("A_PORT", "garbage"), ("P_INNER", "x")]).unwrap();
    let inner = parsed.matches.subcommand_matches("verb").unwrap();
    assert_eq!(inner.get_one::<String>("inner").unwrap(), "x");
    // What stands behind `--` is no flag.
    assert!(read("-- --port=1", &[("A_PORT", "garbage")]).unwrap_err().text().contains("A_PORT"));
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_refused_and_not_shown() {
    use std::os::unix::ffi::OsStringExt as _;
    let environment = |name: &str| (name == "A_PORT").then(|| OsString::from_vec(vec![b'c', b'a', 0xff]));
    let stop = parse(command(), vec!["p".into()], &NAMING, &environment).unwrap_err();
    assert!(stop.exit() == Exit::Usage && !stop.text().contains("ca\u{fffd}"), "{}", stop.text());
}
