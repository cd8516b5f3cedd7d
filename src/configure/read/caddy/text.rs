//! Paths as Caddy compares them.

/// A path decoded, with single slashes and without `.` and `..`.
pub(super) fn clean_path(path: &str) -> String {
    String::from_utf8_lossy(&wsim_http::target::as_nginx_matches(path.as_bytes())).into_owned()
}
