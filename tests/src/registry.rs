//! The registry of container images that Docker calls `distribution`, and images for it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::net::{free_addr, is_listening};
use crate::process::{Plan, Process};
use crate::wait;

/// A running registry; it ends when it is dropped.
#[derive(Debug)]
pub struct Registry {
    addr: SocketAddr,
    _process: Process,
    _directory: TempDir,
}

impl Registry {
    /// Starts one.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start() -> Self {
        let (addr, directory) = (free_addr(), tempfile::tempdir().expect("a temporary directory"));
        let config = directory.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{addr}'}}\n",
            directory.path().join("images").display()
        );
        fs::write(&config, text).expect("a directory of our own");
        let process = Plan::new("docker-registry").arg("serve").arg(&config).start();
        wait::until_true("the registry listens", wait::PATIENCE, || is_listening(addr));
        Self { addr, _process: process, _directory: directory }
    }

    /// What `--backend` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

/// An image of one layer of so many bytes, in OCI's layout.
///
/// # Panics
/// If it cannot be written.
pub fn image(directory: &Path, bytes: usize) -> PathBuf {
    let place = directory.join("image");
    let blobs = place.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("a directory of our own");
    let blob = |content: &[u8], kind: &str| {
        let digest: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(blobs.join(&digest), content).expect("a directory of our own");
        let (size, media) = (content.len(), format!("application/vnd.oci.image.{kind}"));
        serde_json::json!({"mediaType": media, "digest": format!("sha256:{digest}"), "size": size})
    };
    let layer = blob(&vec![7; bytes], "layer.v1.tar");
    let rootfs = serde_json::json!({"type": "layers", "diff_ids": [layer["digest"]]});
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs});
    let config = blob(config.to_string().as_bytes(), "config.v1+json");
    let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let manifest = blob(manifest.to_string().as_bytes(), "manifest.v1+json");
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(place.join("index.json"), index.to_string()).expect("a directory of our own");
    fs::write(place.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a directory of our own");
    place
}
