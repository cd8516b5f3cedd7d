//! What nginx and Apache call the fields of combined and those behind it.

use super::{Family, Site};

pub(super) fn combined_text(family: Family, site: Site, iso: bool, headers: bool) -> Vec<u8> {
    let nginx = family == Family::Nginx;
    let mut text = String::new();
    text.push_str(match (site, nginx) {
        (Site::None | Site::Forwarded, _) => "",
        (Site::Host, true) => "$host ",
        (Site::Host, false) => "%v ",
        (Site::HostPort, true) => "$host:$server_port ",
        (Site::HostPort, false) => "%v:%p ",
    });
    text.push_str(match (nginx, iso) {
        (true, false) => r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent"#,
        (true, true) => r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent"#,
        (false, false) => r#"%h %l %u %t "%r" %>s %b"#,
        (false, true) => r#"%h %l %u [%{%Y-%m-%dT%H:%M:%S%z}t] "%r" %>s %b"#,
    });
    if headers {
        text.push_str(if nginx { r#" "$http_referer" "$http_user_agent""# } else { r#" "%{Referer}i" "%{User-Agent}i""# });
    }
    if site == Site::Forwarded {
        let (address, list) = if nginx { ("$remote_addr", "$http_x_forwarded_for") } else { ("%h", "%{X-Forwarded-For}i") };
        text = text.replacen(address, list, 1);
    }
    text.into_bytes()
}

pub(super) fn apache_field(key: &str) -> &'static str {
    match key {
        "D" => "%D",
        "T" => "%T",
        "X" => "%X",
        "worker" | "balancer" => "%{BALANCER_WORKER_NAME}e",
        "host" | "vhost" => "%V",
        "xff" => "%{X-Forwarded-For}i",
        "rid" | "request_id" => "%{X-Request-Id}i",
        _ => APACHE_OTHER,
    }
}

/// A field that the parser of Apache's formats ignores.
pub(super) const APACHE_OTHER: &str = "%{other}n";
pub(super) const APACHE_KEYS: [&str; 4] = ["D", "T", "X", "worker"];
