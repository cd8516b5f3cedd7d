use std::path::Path;

use super::*;
use crate::read::model::{KeyValue, Request, RouteTarget};
use wsim_nginx::NoFiles;

const CONFIG: &str = r#"
global
  maxconn 100
defaults
  mode http
  balance leastconn
frontend https
  bind :443
  acl is_sync path_reg ^/_matrix/client/(r0|v3)/sync$
  acl initial urlp(since) -m found
  acl get method GET HEAD
  acl room path_beg,lower -i /x
  http-request set-var(txn.room) path,field(6,/)
  http-request set-header X-Matrix-Room %[var(txn.room)]
  http-request deny if { path_beg /_synapse/admin } !{ src 10.0.0.0/8 }
  use_backend initial if is_sync !initial get
  use_backend sync if is_sync
  use_backend by-room if { path_sub /rooms/ } METH_PUT or { path -m end /join }
  use_backend %[path,field(2,/)] if { path_beg /named/ }
  default_backend main
backend main
  server main 127.0.0.1:8008
backend initial
  server a 127.0.0.1:1
backend sync
  balance hdr(Authorization)
  server a 127.0.0.1:2 weight 2
  server b 127.0.0.1:3 backup
backend by-room
  balance hdr(X-Matrix-Room)
  hash-type consistent
  server a 127.0.0.1:4
backend named
  balance uri whole
  server a 127.0.0.1:5
"#;

fn goes(request: &Request) -> (String, KeyValue) {
    let proxy = read(Path::new("haproxy.cfg"), CONFIG, &NoFiles).unwrap();
    let routed = proxy.sites[0].route(request);
    let name = match routed.target {
        RouteTarget::Pool(index) => proxy.pools[index].name.clone(),
        other => format!("{other:?}"),
    };
    (name, routed.key)
}

#[test]
fn rules_are_tried_in_order() {
    let cases = [
        ("GET", "/_matrix/client/v3/sync", "initial"),
        ("POST", "/_matrix/client/v3/sync", "sync"),
        ("GET", "/_matrix/client/v3/sync?since=", "sync"),
        ("PUT", "/_matrix/client/v3/rooms/!a:b/send/m/1", "by-room"),
        ("GET", "/_matrix/client/v3/rooms/!a:b/send/m/1", "main"),
        ("POST", "/_matrix/client/v3/rooms/!a:b/join", "by-room"),
        ("GET", "/named/x", "named"),
        ("GET", "/_matrix/client/v3/other", "main"),
    ];
    for (method, target, expected) in cases {
        assert_eq!(goes(&Request::new(method, target)).0, expected, "{method} {target}");
    }
    assert!(goes(&Request::new("GET", "/_synapse/admin/v1/x")).0.contains("403"));
}

#[test]
fn keys_are_what_the_rule_hashes() {
    let key = |request: &Request| goes(request).1;
    let text = |text: &str| KeyValue::Text(text.to_owned());
    let sync = Request::new("GET", "/_matrix/client/v3/sync?since=s1");
    assert_eq!(key(&sync), text(""));
    assert_eq!(key(&sync.with_header("Authorization", "Bearer a")), text("Bearer a"));
    assert_eq!(key(&Request::new("PUT", "/_matrix/client/v3/rooms/!a:b/send/m/1")), text("!a:b"));
    assert_eq!(key(&Request::new("GET", "/named/x?y")), text("/named/x?y"));
    assert_eq!(key(&Request::new("GET", "/")), KeyValue::None);
}

#[test]
fn pools_have_their_servers_and_rules() {
    let proxy = read(Path::new("haproxy.cfg"), CONFIG, &NoFiles).unwrap();
    let pool = |name: &str| proxy.pools.iter().find(|pool| pool.name == name).unwrap();
    assert_eq!(pool("main").balance, "leastconn");
    assert_eq!(pool("by-room").balance, "hdr(X-Matrix-Room) hash-type consistent");
    assert_eq!((pool("sync").servers.len(), pool("sync").servers[0].weight), (1, 2));
    assert_eq!(pool("sync").at.to_string(), "haproxy.cfg:25");
}

/// Files of a configuration: one map of any name.
struct OneMap(String);

impl Files for OneMap {
    fn read(&self, _: &Path) -> std::io::Result<String> {
        Ok(self.0.clone())
    }

    fn matching(&self, _: &str, _: &[&Path]) -> Vec<std::path::PathBuf> {
        Vec::new()
    }
}

fn target(rules: &str, files: &dyn Files) -> RouteTarget {
    let text = format!("frontend f\n{rules}\n  use_backend a\nbackend a\n  server s a:1\n");
    read(Path::new("h.cfg"), &text, files).unwrap().sites[0].route(&Request::new("GET", "/a")).target
}

fn unknown(found: &RouteTarget) -> &str {
    if let RouteTarget::Unknown(unknown) = found { &unknown.why } else { "" }
}

#[test]
fn texts_that_double_end_as_unknown() {
    for rule in [
        "http-request set-path %[path]%[path]",
        r"http-request replace-path ^(.*)$ \1\1",
        "http-request set-var-fmt(txn.a) %[var(txn.a)]%[var(txn.a)]x\nhttp-request set-path /%[var(txn.a)]",
        r#"http-request set-path "%[path,regsub(^.*$,\0\0)]""#,
    ] {
        let found = target(&[rule; 60].join("\n"), &NoFiles);
        assert!(unknown(&found).contains("grows beyond 100 kB"), "{rule}: {found:?}");
    }
}

#[test]
fn a_map_of_many_expressions_is_read_once_and_to_its_limit() {
    let map = OneMap((0..100_000).map(|n| format!("^/x{n}$ a\n")).collect());
    // The same map in many rules, as in configurations that choose by method, too.
    let rules = "http-request set-var(txn.a) path,map_reg(m)\n".repeat(300);
    let found = target(&rules, &map);
    assert!(unknown(&found).contains("more than 2000 regular expressions"), "{found:?}");
    let lines = OneMap("a b\n".repeat(200_001));
    let found = target("http-request set-var(txn.a) path,map(m)", &lines);
    assert!(unknown(&found).contains("has more than 200000 lines"), "{found:?}");
}

#[test]
fn a_request_costs_a_bounded_number_of_comparisons() {
    let map = OneMap("/b a\n".repeat(100_000));
    let found = target(&"http-request set-var(txn.a) path,map(m)\n".repeat(10), &map);
    assert!(unknown(&found).contains("more than 500000 comparisons"), "{found:?}");
    let found = target(&"http-request set-var(txn.a) path\n".repeat(30_000), &NoFiles);
    assert!(unknown(&found).contains("more than 500000 comparisons"), "{found:?}");
}

#[test]
#[cfg(unix)]
fn a_map_that_is_a_device_is_named() {
    let found = target("http-request set-var(txn.a) path,map(/dev/zero)", &wsim_nginx::Disk);
    assert!(unknown(&found).contains("the file /dev/zero cannot be read: it is a device"), "{found:?}");
}

#[test]
fn too_many_lines_are_an_error() {
    let text = "frontend f\n".to_owned() + &"  bind :80\n".repeat(100_000);
    let error = read(Path::new("h.cfg"), &text, &NoFiles).unwrap_err().to_string();
    assert!(error.starts_with("h.cfg:100001: expected at most 100000 lines"), "{error}");
}
