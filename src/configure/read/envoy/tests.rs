//! A small configuration with every kind of rule that is read.

use std::path::Path;

use super::super::model::{KeyValue, Request, RouteTarget, Routed};
use super::read;

const TEXT: &str = r#"
static_resources:
  listeners:
    - address: {socket_address: {address: 0.0.0.0, port_value: 8448}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                use_remote_address: true
                route_config:
                  virtual_hosts:
                    - name: matrix
                      domains: ["matrix.example.org", "matrix.example.org:*"]
                      routes:
                        - match:
                            safe_regex: {regex: "/_matrix/client/(r0|v3)/sync"}
                            query_parameters: [{name: since, present_match: true}]
                          route:
                            cluster: sync
                            timeout: 0s
                            hash_policy: [{header: {header_name: authorization}}]
                        - match:
                            prefix: /_matrix/client/
                            headers: [{name: ":method", string_match: {exact: PUT}}]
                          route: {cluster: writers, timeout: 60s}
                        - match: {path_separated_prefix: /_synapse/admin}
                          direct_response: {status: 403}
                        - match: {prefix: /old}
                          route: {cluster: main, prefix_rewrite: /_matrix}
                        - match: {prefix: /split}
                          route: {weighted_clusters: {clusters: [{name: main, weight: 1}, {name: sync, weight: 1}]}}
                        - match: {prefix: /}
                          route: {cluster: main}
  clusters:
    - name: main
      load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: synapse, port_value: 8008}}}}]}]}
    - name: writers
      load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: /run/w.sock}}}}]}]}
    - name: sync
      lb_policy: MAGLEV
      load_assignment:
        endpoints:
          - lb_endpoints:
              - {endpoint: {address: {socket_address: {address: w1, port_value: 8083}}}, load_balancing_weight: 2}
              - {endpoint: {address: {socket_address: {address: w2, port_value: 8083}}}}
          - priority: 1
            lb_endpoints: [{endpoint: {address: {socket_address: {address: w3, port_value: 8083}}}}]
"#;

#[test]
fn the_first_route_that_matches_counts() {
    let proxy = read(Path::new("envoy.yaml"), TEXT).unwrap();
    let site = &proxy.sites[0];
    assert_eq!(
        (site.ports(), site.hosts()),
        ([8448].as_slice(), ["matrix.example.org".to_owned(), "matrix.example.org".to_owned()].as_slice())
    );
    let route = |request: &str| -> Routed {
        let (method, target) = request.split_once(' ').unwrap();
        site.route(&Request::new(method, target).with_header("Authorization", "Bearer a"))
    };
    let to = |request: &str| match route(request).target {
        RouteTarget::Pool(index) => proxy.pools[index].name.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(to("GET /_matrix/client/v3/sync?since=a"), "sync");
    assert_eq!(to("GET /_matrix/client/v3/sync"), "main");
    assert_eq!(to("GET /_matrix/client/v3/sync/x?since=a"), "main", "an expression matches the whole path");
    assert_eq!(to("PUT /_matrix/client/v3/x"), "writers");
    assert!(to("GET /_synapse/admin/v1").contains("status 403") && to("GET /_synapse/administrator") == "main");
    assert!(to("GET /split").contains("weighted_clusters"));
    let sync = route("GET /_matrix/client/v3/sync?since=a");
    let delivery = sync.delivery.unwrap();
    assert_eq!((sync.key, delivery.patience_ms), (KeyValue::Text("Bearer a".to_owned()), None));
    // Fifteen seconds unless the route says otherwise.
    assert_eq!(route("GET /_matrix/x").delivery.unwrap().patience_ms, Some(15_000));
    assert!(route("GET /old/x").rewritten && !route("GET /_matrix/x").rewritten);
    let sync = &proxy.pools[2];
    assert_eq!((sync.servers.len(), sync.servers[0].weight, sync.balance.as_str()), (2, 2, "maglev"));
    assert_eq!(proxy.pools[1].servers[0].address, "unix:/run/w.sock");
}

#[test]
fn what_a_server_gives_out_is_named() {
    let text = "dynamic_resources: {lds_config: {}}\nstatic_resources: {listeners: []}\n";
    let proxy = read(Path::new("envoy.yaml"), text).unwrap();
    assert!(proxy.sites.is_empty() && proxy.notes[0].text.contains("dynamic_resources"));
}
