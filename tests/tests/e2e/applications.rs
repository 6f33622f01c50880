//! Applications that people really run, behind the shipped nginx that ends TLS: what they name by URL is where they are.

use std::fs;
use std::time::Duration;

use telephone_tests::certs::Certs;
use telephone_tests::net::{free_addr, is_listening};
use telephone_tests::nginx::Nginx;
use telephone_tests::parts::{self, Server};
use telephone_tests::process::{Plan, Process};
use telephone_tests::registry::{self, Registry};
use telephone_tests::relay::Relay;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::sizes;
use telephone_tests::wait::{self, PATIENCE};

/// For an image or an upload to pass.
const LONG: Duration = Duration::from_secs(120);

/// An application behind a sidecar, a relay and nginx.
struct Public {
    certs: Certs,
    nginx: Nginx,
    relay: Relay,
    _sidecar: Sidecar,
}

impl Public {
    fn start(program: Program, mount: &str, backend: &str) -> Self {
        let relay = Relay::with(&["--trust", "127.0.0.1/32"]);
        let certs = Certs::make(relay.directory());
        let nginx = Nginx::tls_before(relay.addr(), &certs);
        let sidecar =
            program.dial(&relay).token(&relay.token(&[mount])).mount(mount).backend(backend).ready();
        Self { certs, nginx, relay, _sidecar: sidecar }
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.nginx.addr().port())
    }
}

#[test]
fn an_image_goes_to_a_registry_and_comes_back_the_same() {
    if !sizes::is_full() {
        return;
    }
    for program in Program::BOTH {
        let registry = Registry::start();
        let public = Public::start(program, "/v2", &registry.url());
        let directory = public.relay.directory().join("skopeo");
        fs::create_dir(&directory).expect("a directory of our own");
        fs::copy(&public.certs.ca, directory.join("ca.crt")).expect("a directory of our own");
        let image = registry::image(&directory, 20_000_000);
        let remote = format!("docker://{}/a/b:latest", public.host());
        let copy = |args: [&str; 4]| {
            let plan = Plan::new("skopeo").args(["--insecure-policy", "copy"]).args(args);
            parts::run(plan.env("XDG_RUNTIME_DIR", &directory), LONG)
        };
        let place = |path: &std::path::Path| format!("oci:{}", path.display());
        let certs = directory.display().to_string();
        copy(["--dest-cert-dir", &certs, &place(&image), &remote]);
        let back = directory.join("back");
        copy(["--src-cert-dir", &certs, &remote, &place(&back)]);
        let blobs = |of: &std::path::Path| {
            let listed = fs::read_dir(of.join("blobs/sha256")).expect("blobs");
            let mut names: Vec<_> = listed.map(|entry| entry.expect("a blob").file_name()).collect();
            names.sort();
            names
        };
        // Of what came back each blob is named by its hash, which skopeo has checked.
        assert!(blobs(&back).len() >= 3, "{program:?}");
    }
}

#[test]
fn a_resumable_upload_goes_on_at_the_url_that_it_was_given() {
    for program in Program::BOTH {
        let addr = free_addr();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let plan = parts::node("tus.cjs").arg("serve").arg(addr.port().to_string()).arg(directory.path());
        let _server: Process = plan.start();
        wait::until_true("the server listens", PATIENCE, || is_listening(addr));
        let public = Public::start(program, "/m", &format!("http://{addr}"));
        let base = format!("https://{}/m/files", public.host());
        let upload = parts::node("tus.cjs").args(["upload", &base, "2000000"]);
        let said = parts::run(upload.env("NODE_EXTRA_CA_CERTS", &public.certs.ca), LONG);
        assert!(said.trim().starts_with(&format!("{base}/")), "{program:?}: {said}");
    }
}

#[test]
fn a_notebook_runs_a_kernel_for_a_page_of_the_public_host() {
    if !sizes::is_full() {
        return;
    }
    for program in Program::BOTH {
        let (relay, server) = (Relay::start(), Server::jupyter());
        let told = server.addr().to_string();
        let answered = |more: &[&str]| {
            let backend = server.url();
            let sidecar = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&backend);
            let _sidecar = sidecar.args(more).ready();
            let page = ["http://app.example/m", &relay.addr().to_string(), parts::JUPYTER_TOKEN];
            parts::run(parts::python("kernel.py").args(page), LONG)
        };
        assert_eq!(answered(&[]).trim(), "refused 403", "{program:?}: it takes no host but its own");
        assert_eq!(answered(&["--host-header", &told]).trim(), "42", "{program:?}");
    }
}

#[test]
fn docker_runs_a_program_that_reads_its_standard_input() {
    if !sizes::is_full() {
        return;
    }
    for program in Program::BOTH {
        let (relay, daemon) = (Relay::start(), Server::docker());
        let _sidecar =
            program.dial(&relay).token(&relay.token(&["/"])).mount("/").backend(&daemon.url()).ready();
        let sum = "head -c 300000 /dev/zero | docker -H \"$0\" exec -i box sh -c 'wc -c; exit 3'; echo \"ended $?\"";
        let said = parts::run(Plan::new("sh").args(["-c", sum, &format!("tcp://{}", relay.addr())]), LONG);
        assert_eq!(said, "300000\nended 3\n", "{program:?}");
    }
}
