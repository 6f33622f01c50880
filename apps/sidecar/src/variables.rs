//! Variables of the environment that stand for options.
//!
//! They are read before clap parses. The value of a variable becomes a flag of the command line, unless the line has that
//! flag already; so a variable that a flag overrules is never parsed, and an empty one is as good as none.

use std::ffi::OsString;

use clap::builder::{BoolishValueParser, TypedValueParser as _};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::usage::{Stop, Usage};

/// Looks up a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Which variables a program reads beside those that its options name.
#[derive(Debug, Clone, Copy)]
pub struct Naming {
    /// What may stand before each name. A name with it goes before the one without: platforms set short names such as `TCP`
    /// or `INSTANCE` for purposes of their own.
    pub prefix: &'static str,
    /// Other names of variables.
    pub stand_ins: &'static [StandIn],
    /// Options of which a flag overrules the variable of the other.
    pub rivals: &'static [(&'static str, &'static str)],
}

/// Another name of an option's variable.
#[derive(Debug, Clone, Copy)]
pub struct StandIn {
    /// The option's id.
    pub option: &'static str,
    /// The name.
    pub name: &'static str,
    /// It is read only while none of these is set.
    pub unless: &'static [&'static str],
}

/// A command line together with the variables.
#[derive(Debug)]
pub struct Parsed {
    /// What clap made of it. All values count as given by flags.
    pub matches: ArgMatches,
    /// The variables that were read.
    pub read: Vec<Read>,
}

/// A variable that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The option, as clap shows it: `--port <N>`.
    option: String,
    /// The variable that the option names.
    documented: String,
    /// The one that had the value.
    name: String,
}

impl Parsed {
    /// The same error, with the names of the variables that were read.
    #[must_use]
    pub fn name_variables(&self, usage: &Usage) -> Stop {
        let changed = self.read.iter().filter(|read| read.name != read.documented);
        let text = changed.fold(usage.to_string(), |text, read| {
            text.replace(&format!("({})", read.documented), &format!("({})", read.name))
        });
        Usage::from_text(text).into()
    }
}

/// Parses `args`, which begin with the program's name, and the variables of the verb that they name.
///
/// # Errors
/// Help or the version was asked for, or something is wrong.
pub fn parse(
    mut command: Command,
    mut args: Vec<OsString>,
    naming: &Naming,
    environment: Environment<'_>,
) -> Result<Parsed, Stop> {
    if args.iter().any(|arg| ["--help", "-h", "--version", "-V"].iter().any(|one| arg == one)) {
        // The help shows the variables as they are, and parses none.
        return Ok(Parsed { matches: command.try_get_matches_from(args)?, read: Vec::new() });
    }
    // Before that, an option does not know how it is shown.
    command.build();
    let verb = args.get(1).and_then(|verb| command.find_subcommand(verb));
    let (active, start) = verb.map_or((&command, 1), |verb| (verb, 2));
    let start = start.min(args.len());
    let (mut flags, mut read) = (Vec::new(), Vec::new());
    for arg in active.get_arguments() {
        let Some(documented) = arg.get_env().and_then(|name| name.to_str()) else { continue };
        let overruled = |id: &str| is_given(active, id, args.get(start..).unwrap_or_default());
        let id = arg.get_id().as_str();
        if overruled(id) || rivals(naming, id).any(overruled) {
            continue;
        }
        let Some((name, value)) = chosen(naming, id, documented, environment) else { continue };
        read.push(Read { option: arg.to_string(), documented: documented.to_owned(), name });
        push_flags(&mut flags, active, arg, value).map_err(|error| named(error, &read))?;
    }
    args.splice(start..start, flags);
    match without_variables(command).try_get_matches_from(args) {
        Ok(matches) => Ok(Parsed { matches, read }),
        Err(error) => Err(named(error, &read).into()),
    }
}

/// The value of the variable `name`, or of the one with `prefix` before it, and which of them has it. One that is empty is
/// not set.
#[must_use]
pub fn value(prefix: &str, name: &str, environment: Environment<'_>) -> Option<(String, OsString)> {
    let prefixed = (!name.starts_with(prefix)).then(|| format!("{prefix}{name}"));
    prefixed.into_iter().chain([name.to_owned()]).find_map(|name| {
        let value = trimmed(environment(&name)?);
        let is_set = !value.is_empty() && !is_service_link(&name, &value);
        is_set.then_some((name, value))
    })
}

/// Which of these variables are not read because Kubernetes set them, one sentence for each.
pub fn ignored_service_links(
    naming: &Naming,
    names: &[&str],
    environment: Environment<'_>,
) -> impl Iterator<Item = String> {
    let all = names.iter().flat_map(|name| [(*name).to_owned(), format!("{}{name}", naming.prefix)]);
    all.filter_map(|name| {
        let value = environment(&name).filter(|value| is_service_link(&name, value))?;
        let value = value.to_string_lossy();
        Some(format!(
            "{name}={value} is ignored: Kubernetes sets it for a service; set `enableServiceLinks: false` in the pod"
        ))
    })
}

/// Whether Kubernetes sets the variable for a service of that name: `BACKEND_PORT=tcp://10.96.0.12:80` for `backend`.
fn is_service_link(name: &str, value: &OsString) -> bool {
    let is_url = |value: &str| ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    name.ends_with("_PORT") && value.to_str().is_some_and(is_url)
}

fn trimmed(value: OsString) -> OsString {
    match value.to_str() {
        Some(text) if text.trim().len() < text.len() => text.trim().into(),
        _ => value,
    }
}

/// The value for an option, and the variable that has it.
fn chosen(
    naming: &Naming,
    id: &str,
    documented: &str,
    environment: Environment<'_>,
) -> Option<(String, OsString)> {
    let of = |name: &str| value(naming.prefix, name, environment);
    let mut stand_ins = naming.stand_ins.iter().filter(|stand_in| stand_in.option == id);
    of(documented).or_else(|| {
        let is_free = |stand_in: &&StandIn| !stand_in.unless.iter().any(|name| of(name).is_some());
        of(stand_ins.find(is_free)?.name)
    })
}

fn rivals<'a>(naming: &'a Naming, id: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    naming.rivals.iter().filter_map(move |(a, b)| match id {
        id if id == *a => Some(*b),
        id if id == *b => Some(*a),
        _ => None,
    })
}

/// Whether the command line has the flag of the option `id`.
fn is_given(command: &Command, id: &str, args: &[OsString]) -> bool {
    let long = command.get_arguments().find(|arg| arg.get_id() == id).and_then(Arg::get_long);
    long.is_some_and(|long| {
        let mut flags = args.iter().take_while(|arg| *arg != "--").filter_map(|arg| arg.to_str());
        flags.any(|arg| arg.strip_prefix("--").and_then(|arg| arg.split('=').next()) == Some(long))
    })
}

/// The variable's value as flags: one for each part of a list.
fn push_flags(
    flags: &mut Vec<OsString>,
    command: &Command,
    arg: &Arg,
    value: OsString,
) -> Result<(), clap::Error> {
    let Some(long) = arg.get_long() else { return Ok(()) };
    let flag = |value: &dyn AsRef<std::ffi::OsStr>| {
        let mut flag = OsString::from(format!("--{long}="));
        flag.push(value.as_ref());
        flag
    };
    match (arg.get_action(), value.to_str()) {
        (ArgAction::SetTrue, _) => {
            if BoolishValueParser::new().parse_ref(command, Some(arg), &value)? {
                flags.push(format!("--{long}").into());
            }
        }
        (ArgAction::Append, Some(list)) => {
            let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
            flags.extend(parts.map(|part| flag(&part)));
        }
        _ => flags.push(flag(&value)),
    }
    Ok(())
}

/// The same command line, which reads no variable by itself.
fn without_variables(command: Command) -> Command {
    command.mut_args(|arg| arg.env(None)).mut_subcommands(without_variables)
}

/// The error, with the variable that had the wrong value.
fn named(mut error: clap::Error, read: &[Read]) -> clap::Error {
    if let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg)
        && let Some(read) = read.iter().find(|read| read.option == *option)
    {
        let shown = format!("{option} ({})", read.name);
        error.insert(ContextKind::InvalidArg, ContextValue::String(shown));
    }
    error
}

#[cfg(test)]
mod tests;
