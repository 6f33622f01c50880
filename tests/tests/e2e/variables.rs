//! Variables as a compose file sets them: all of them, most of them empty.

use telephone_tests::bins;
use telephone_tests::client::get;
use telephone_tests::line::both_programs;
use telephone_tests::net::{free_addr, is_listening};
use telephone_tests::origin::Origin;
use telephone_tests::process::Plan;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{PATIENCE, until_true};

const SECRET: &str = "a secret for tests, 32 bytes or more";

/// A program with each variable that the help of the verb shows set to nothing, but for those in `given`.
fn composed(plan: Plan, help: Plan, given: &[(&str, &str)]) -> Plan {
    let help = help.arg("--help").finish().stdout;
    let names: Vec<_> = help.split("[env: ").skip(1).filter_map(|rest| rest.split('=').next()).collect();
    assert!(names.len() > 25, "{names:?}");
    let plan = names.iter().fold(plan, |plan, name| plan.env(name, ""));
    given.iter().fold(plan, |plan, (name, value)| plan.env(name, value))
}

#[test]
fn a_compose_file_with_every_variable_set_to_nothing_serves_what_it_serves_without() {
    both_programs(|program: Program| {
        let (origin, public) = (Origin::start(), free_addr());
        let (listen, url) = (public.to_string(), format!("ws://{public}/, "));
        let plugboard = || Plan::new(bins::path("plugboard"));
        let given = [
            ("PLUGBOARD_LISTEN", &*listen),
            ("PLUGBOARD_ADMIN", "127.0.0.1:0"),
            ("PLUGBOARD_SECRET", SECRET),
        ];
        let _relay = composed(plugboard().arg("serve"), plugboard().arg("serve"), &given).start();
        until_true("the relay listens", PATIENCE, || is_listening(public));
        let token =
            plugboard().args(["token", "--mount", "/m"]).env("PLUGBOARD_SECRET", format!("{SECRET}\n"));
        let (token, port) = (token.finish().stdout, origin.addr().port().to_string());
        let given = [
            ("PLUGBOARD_URL", &*url),
            ("TELEPHONE_MOUNT_PATH", "/m,"),
            ("BACKEND_PORT", "tcp://10.96.0.12:80"),
            ("TELEPHONE_BACKEND_PORT", &*port),
            ("TELEPHONE_TOKEN", &*token),
        ];
        let _telephone = composed(program.plan(), program.plan(), &given).start();
        until_true("a request passes", PATIENCE, || get(public, "/m/hello").status() == 200);
    });
}
