//! What holds for each variable of each verb of a program. One suite for the sidecars and the relay.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, Command};

use super::{Naming, Parsed, Stop, parse_line as parse};

/// Values of which each option takes one.
const VALUES: [&str; 17] = [
    "link",
    "true",
    "1",
    "1s",
    "/a",
    "ws://a",
    "127.0.0.1:1",
    "http://127.0.0.1:1",
    "h2c",
    "json",
    "a.example",
    "1=a:1",
    "10.0.0.0/8",
    "X-User",
    "https://a.example",
    "1-2",
    "cookie",
];

/// A verb, and a complete line of it without variables, each flag one word with its value.
type Line<'a> = &'a [&'a str];

pub(crate) struct Suite<'a> {
    pub command: Command,
    pub naming: &'a Naming,
    /// The lines of the verbs; a verb that has none needs none.
    pub lines: &'a [Line<'a>],
}

impl Suite<'_> {
    /// Asserts, and says how many variables there are.
    pub(crate) fn every_variable_may_be_empty_prefixed_padded_and_overruled(&self) -> usize {
        let verbs = self.command.get_subcommands().map(|verb| (Some(verb.get_name()), verb));
        let all = std::iter::once((None, &self.command)).chain(verbs);
        let args = all.flat_map(|(verb, command)| command.get_arguments().map(move |arg| (verb, arg)));
        args.filter(|(_, arg)| arg.get_env().is_some()).map(|(verb, arg)| self.check(verb, arg)).count()
    }

    fn check(&self, verb: Option<&str>, arg: &Arg) {
        let Self { naming, .. } = self;
        let name = arg.get_env().unwrap().to_str().unwrap();
        let what = format!("{name} of {}", verb.unwrap_or("the program"));
        let id = arg.get_id().as_str();
        let value = VALUES.iter().find(|value| self.parsed(verb, arg, &[(name, value)]).is_ok());
        let value = value.unwrap_or_else(|| panic!("{what}: no value, or no line of the verb, fits"));
        let read = |variables: &[(&str, &str)]| {
            let parsed =
                self.parsed(verb, arg, variables).unwrap_or_else(|stop| panic!("{what}: {}", stop.text()));
            let mut matches = &parsed.matches;
            if verb.is_some() {
                matches = matches.subcommand().unwrap().1;
            }
            let is_read = matches.value_source(id) == Some(ValueSource::CommandLine);
            is_read.then(|| matches.get_raw(id).map(|raw| raw.map(ToOwned::to_owned).collect::<Vec<_>>()))
        };
        let wanted = read(&[(name, value)]);
        assert!(wanted.is_some(), "{what}: the variable is not read");
        let padded = format!(" {value}\r\n");
        assert_eq!(read(&[(name, &padded)]), wanted, "{what}, padded");
        let prefixed = format!("{}{name}", naming.prefix);
        if !name.starts_with(naming.prefix) {
            assert_eq!(read(&[(&prefixed, value)]), wanted, "{what}, prefixed");
            assert_eq!(
                read(&[(&prefixed, value), (name, "\u{1}")]),
                wanted,
                "{what}: the prefixed one first"
            );
            assert_eq!(read(&[(&prefixed, ""), (name, value)]), wanted, "{what}: an empty prefixed one");
        }
        let without =
            |variables: &[(&str, &str)]| self.parsed(verb, arg, variables).map(|parsed| parsed.read);
        for empty in ["", " ", "\n", "\t \r\n"] {
            assert_eq!(without(&[(name, empty), (&prefixed, empty)]), without(&[]), "{what}, empty");
        }
        self.check_overruled(verb, arg, value);
    }

    /// A flag decides before the variable is parsed: no value of it is wrong then.
    fn check_overruled(&self, verb: Option<&str>, arg: &Arg, value: &str) {
        let long = arg.get_long().unwrap();
        let flag = match arg.get_action() {
            clap::ArgAction::SetTrue => format!("--{long}"),
            _ => format!("--{long}={value}"),
        };
        let mut line = self.line(verb, arg);
        line.push(flag.into());
        let garbage = |_: &str| Some(OsString::from("\u{1}"));
        let only = |name: &str| garbage(name).filter(|_| arg.get_env().unwrap() == name);
        let parsed = parse(self.command.clone(), line, self.naming, &only);
        assert!(
            parsed.is_ok_and(|parsed| parsed.read.is_empty()),
            "--{long}: a flag decides before a variable"
        );
    }

    /// The verb's line without the flag of `arg`, and without those that overrule its variable.
    fn line(&self, verb: Option<&str>, arg: &Arg) -> Vec<OsString> {
        let is_verbs = |line: &&Line<'_>| match verb {
            Some(verb) => line.first() == Some(&verb),
            None => line.first().is_some_and(|word| word.starts_with('-')),
        };
        let line = self.lines.iter().find(is_verbs).copied();
        let line = line.map_or_else(|| verb.into_iter().collect(), <[_]>::to_vec);
        let id = arg.get_id().as_str();
        let rivals = self.naming.rivals.iter().filter(|(a, b)| *a == id || *b == id);
        let left_out: Vec<_> = rivals.flat_map(|(a, b)| [*a, *b]).chain([id]).collect();
        let option = |word: &str| word.split('=').next().unwrap().trim_start_matches("--").replace('-', "_");
        let words = line.into_iter().filter(|word| !left_out.contains(&&*option(word)));
        std::iter::once("program").chain(words).map(OsString::from).collect()
    }

    fn parsed(&self, verb: Option<&str>, arg: &Arg, variables: &[(&str, &str)]) -> Result<Parsed, Stop> {
        let environment = |name: &str| {
            let variable = variables.iter().find(|variable| variable.0 == name);
            variable.map(|variable| OsString::from(variable.1))
        };
        parse(self.command.clone(), self.line(verb, arg), self.naming, &environment)
    }
}
