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

/// A variable of unknown value matters only where it is used.
const USED: &str = "  use_backend a if { var(txn.a) -m found }";

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
    let rules = "http-request set-var(txn.a) path,map_reg(m)\n".repeat(4) + USED;
    let found = target(&rules, &map);
    assert!(unknown(&found).contains("more than 2000 regular expressions"), "{found:?}");
    let lines = OneMap("a b\n".repeat(200_001));
    let found = target(&format!("http-request set-var(txn.a) path,map(m)\n{USED}"), &lines);
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
    let found = target(&format!("http-request set-var(txn.a) path,map(/dev/zero)\n{USED}"), &wsim_nginx::Disk);
    assert!(unknown(&found).contains("the file /dev/zero cannot be read: it is a device"), "{found:?}");
}

#[test]
fn too_many_lines_are_an_error() {
    let text = "frontend f\n".to_owned() + &"  bind :80\n".repeat(100_000);
    let error = read(Path::new("h.cfg"), &text, &NoFiles).unwrap_err().to_string();
    assert!(error.starts_with("h.cfg:100001: expected at most 100000 lines"), "{error}");
}

#[test]
fn a_condition_that_is_unknown_matters_only_where_the_others_do_not_decide() {
    let goes = |rules: &str, target: &str| {
        let text = format!("frontend f\n{rules}\n  use_backend b\nbackend a\n  server s a:1\nbackend b\n  server s b:1\n");
        let proxy = read(Path::new("h.cfg"), &text, &NoFiles).unwrap();
        match proxy.sites[0].route(&Request::new("GET", target)).target {
            RouteTarget::Pool(index) => proxy.pools[index].name.clone(),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(goes("  use_backend a if { rand(2) 1 } { path /x }", "/y"), "b");
    assert!(goes("  use_backend a if { rand(2) 1 } { path /x }", "/x").contains("Unknown"));
    assert_eq!(goes("  use_backend a if { rand(2) 1 } or { path /x }", "/x"), "a");
    assert_eq!(goes("  acl odd rand(2) 1\n  acl odd path /x\n  use_backend a if odd", "/x"), "a");
    assert_eq!(goes("  use_backend a unless { rand(2) 1 } or { path /x }", "/x"), "b");
    // A refusal by counters lets an ordinary client through; what a rule sets by them is unknown.
    assert_eq!(goes("  http-request deny if { sc_http_req_rate(0) gt 100 }", "/x"), "b");
    assert_eq!(goes("  http-request set-header X-A 1 if { rand(2) 1 }", "/x"), "b");
    assert!(goes("  http-request set-header X-A 1 if { rand(2) 1 }\n  use_backend a if { hdr(X-A) 1 }", "/x").contains("Unknown"));
}

#[test]
fn servers_are_counted_and_headers_replaced_as_a_whole() {
    let text = r"frontend f
  http-request set-var(req.b) str(reader) if { path_beg /r }
  acl gone str(),concat(,req.b),nbsrv lt 1
  use_backend main if gone
  use_backend %[var(req.b)] if { nbsrv(reader) ge 2 }
backend main
  server m a:1
backend reader
  http-request set-header X-Id %[path]
  http-request replace-header X-Id rooms/([^/]+) \1
  balance hdr(X-Id)
  server-template r 1-2 reader.example:8083
";
    let proxy = read(Path::new("h.cfg"), text, &NoFiles).unwrap();
    let route = |target: &str| proxy.sites[0].route(&Request::new("GET", target));
    assert_eq!(route("/x").target, RouteTarget::Pool(0));
    let routed = route("/r/rooms/!a:b/send");
    assert_eq!((routed.target, routed.key), (RouteTarget::Pool(1), KeyValue::Text("!a:b".to_owned())));
    let servers: Vec<(&str, &str)> =
        proxy.pools[1].servers.iter().map(|server| (server.name.as_deref().unwrap(), server.address.as_str())).collect();
    assert_eq!(servers, [("r1", "reader.example:8083"), ("r2", "reader.example:8083")]);
}

#[test]
fn the_name_of_the_handshake_is_the_host() {
    let text = "frontend f\n  use_backend a if { ssl_fc_sni matrix.example.com }\nbackend a\n  server s a:1\n";
    let proxy = read(Path::new("h.cfg"), text, &NoFiles).unwrap();
    let goes =
        |host: &str| matches!(proxy.sites[0].route(&Request::new("GET", "/").with_header("Host", host)).target, RouteTarget::Pool(0));
    assert_eq!([goes("matrix.example.com:443"), goes("matrix.example.com"), goes("a.example.com")], [true, true, false]);
    assert_eq!(proxy.hosts, ["matrix.example.com"]);
}
