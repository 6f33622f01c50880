//! What tells the replicas of one subject apart, if nobody says so.

use telephone_core::limits::INSTANCE_BYTES_MAX;

use crate::backend::BackendUrl;
use crate::runtime::Endpoint;

/// The default instance of a telephone that serves `backend`: host name and backend, so that replicas on other hosts, or of
/// other backends, share its mounts, and a process that replaces it takes over at once. Without a backend it is the
/// host name and a random number: nothing else tells two programs on one host apart.
#[must_use]
pub fn default_instance(backend: Option<&BackendUrl>) -> String {
    let host = gethostname::gethostname();
    let host = host.to_string_lossy();
    let Some(backend) = backend else {
        let host: String = host.chars().take(32).collect();
        return format!("{host}/{}/{:016x}", std::process::id(), fastrand::u64(..));
    };
    // The name of `--port N` is part of a telephone's identity, and stays what it was when that meant 127.0.0.1.
    let backend = match backend.endpoint() {
        Endpoint::Localhost(port) => format!("127.0.0.1:{port}"),
        _ => backend.to_string(),
    };
    let name = format!("{host}/{}", backend.strip_prefix("http://").unwrap_or(&backend));
    // A Unix socket's path may be longer than a name may be; what tells two apart is at its end.
    let start = name.len().saturating_sub(INSTANCE_BYTES_MAX);
    let is_boundary = |at: &usize| name.is_char_boundary(*at);
    (start..=name.len()).find(is_boundary).and_then(|at| name.get(at..)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_backend_has_one_name_and_programs_without_a_backend_have_a_name_each() {
        let of = |url: &str| default_instance(Some(&url.parse().unwrap()));
        assert_eq!(of("http://app:8080"), of("http://app:8080"));
        assert!(of("http://app:8080").ends_with("/app:8080"));
        let local = default_instance(Some(&BackendUrl::local(3000)));
        assert!(local.ends_with("/127.0.0.1:3000") && local.len() > "/127.0.0.1:3000".len());
        let long = of(&format!("unix:/{}", "é".repeat(200)));
        assert!(long.len() <= INSTANCE_BYTES_MAX && long.ends_with('é'));
        assert_ne!(default_instance(None), default_instance(None));
        assert!(default_instance(None).len() <= INSTANCE_BYTES_MAX);
    }
}
