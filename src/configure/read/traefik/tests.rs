use std::path::Path;

use super::*;
use crate::read::model::{Request, RouteTarget};

const YAML: &str = r#"
http:
  routers:
    main:
      rule: "Host(`matrix.example.org`) && PathPrefix(`/_matrix`)"
      service: main
    sync:
      rule: "Host(`matrix.example.org`) && PathRegexp(`^/_matrix/client/(r0|v3)/sync$`)"
      service: sync
      priority: 200
    typing:
      rule: "PathRegexp(`^/_matrix/client/v3/rooms/[^/]+/typing/`) && (Method(`PUT`) || Method(`POST`)) && !Query(`a`, `b`) && !QueryRegexp(`c`, `^d+$`)"
      service: typing@file
  services:
    main: {loadBalancer: {servers: [{url: "http://127.0.0.1:8008"}]}}
    sync: {loadBalancer: {strategy: hrw, servers: [{url: "http://127.0.0.1:1"}, {url: "http://127.0.0.1:2/", weight: 3}]}}
    typing: {weighted: {services: [{name: main, weight: 2}]}}
"#;

#[test]
fn the_longest_rule_wins_unless_a_priority_says_otherwise() {
    let proxy = read(&[(Path::new("d.yaml"), YAML)]).unwrap();
    let goes = |method: &str, target: &str| match proxy.sites[0].route(&Request::new(method, target)).target {
        RouteTarget::Pool(index) => proxy.pools[index].name.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(goes("GET", "/_matrix/client/v3/sync"), "sync");
    assert_eq!(goes("PUT", "/_matrix/client/v3/rooms/!a%3Ab/typing/x"), "typing");
    assert_eq!(goes("PUT", "/_matrix/client/v3/rooms/a/typing/x?a=b"), "main");
    assert_eq!(goes("PUT", "/_matrix/client/v3/rooms/a/typing/x?c=dd"), "main");
    assert_eq!(goes("PUT", "/_matrix/client/v3/rooms/a/typing/x?c=de"), "typing");
    assert_eq!(goes("GET", "/_matrix/client/v3/rooms/a/typing/x"), "main");
    assert!(goes("GET", "/other").contains("404"));
    assert_eq!(proxy.pools[1].servers[1].weight, 3);
    assert_eq!(proxy.pools[2].servers[0].weight, 2);
}

#[test]
fn equal_priorities_that_disagree_make_the_result_unknown() {
    let text = "[http.routers.a]\nrule = \"PathPrefix(`/x`)\"\nservice = \"a\"\n[http.routers.b]\nrule = \"PathPrefix(`/`)\"\npriority = 16\nservice = \"b\"\n[http.services.a.loadBalancer]\nservers = [{url = \"http://a:1\"}]\n[http.services.b.loadBalancer]\nservers = [{url = \"http://b:1\"}]\n";
    let proxy = read(&[(Path::new("d.toml"), text)]).unwrap();
    let answer = proxy.sites[0].route(&Request::new("GET", "/x/y")).target;
    assert!(matches!(&answer, RouteTarget::Unknown(unknown) if unknown.why.contains("priority")), "{answer:?}");
}
