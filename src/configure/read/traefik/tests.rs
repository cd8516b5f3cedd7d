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

#[test]
fn servers_of_services_of_services_are_bounded() {
    let server = "{url: 'http://a:1'}";
    let text = format!(
        "http:\n  services:\n    one: {{loadBalancer: {{servers: [{}]}}}}\n    all: {{weighted: {{services: [{}]}}}}\n",
        [server; 900].join(", "),
        ["{name: one}"; 900].join(", ")
    );
    let proxy = read(&[(Path::new("d.yaml"), &text)]).unwrap();
    assert_eq!((proxy.pools[0].servers.len(), proxy.pools[1].servers.len()), (900, 1000));
    assert!(proxy.notes.iter().any(|note| note.text.contains("only the first 1000 servers")), "{:?}", proxy.notes);
}

#[test]
fn billions_of_laughs_are_an_error() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = level - 1;
        text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(", ")));
    }
    assert!(read(&[(Path::new("d.yaml"), &text)]).is_err());
    let deep = format!("a: {}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert!(read(&[(Path::new("d.yaml"), &deep)]).is_err());
    let deep = format!("a = {}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert!(read(&[(Path::new("d.toml"), &deep)]).is_err());
    let wide = format!("a = [{}]", "0,".repeat(300_000));
    let error = read(&[(Path::new("d.toml"), &wide)]).unwrap_err().to_string();
    assert!(error.contains("more than 200000 values"), "{error}");
}
