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
