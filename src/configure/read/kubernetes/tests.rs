use std::path::Path;

use super::super::model::{Delivery, Proxy, Request, RouteTarget, Words};
use super::{files, read};

const COMMON: &str = r"apiVersion: v1
kind: Service
metadata: {name: synapse}
spec:
  selector: {app: synapse, part: main}
  ports: [{name: http, port: 80, targetPort: client}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: synapse}
spec:
  replicas: 1
  template:
    metadata: {labels: {app: synapse, part: main}}
    spec: {containers: [{name: synapse, ports: [{name: client, containerPort: 8008}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: sync}
spec: {selector: {part: sync}, ports: [{port: 8083}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: sync}
spec:
  replicas: 2
  template: {metadata: {labels: {part: sync}}, spec: {containers: []}}
---
";

fn proxy(text: &str) -> Proxy {
    let text = format!("{COMMON}{text}");
    read(&[(Path::new("m.yaml"), &text)], &[]).unwrap().remove(0)
}

fn goes(proxy: &Proxy, request: &Request) -> String {
    let routed = proxy.sites[0].route(request);
    match routed.target {
        RouteTarget::Pool(index) => proxy.pools[index].servers.iter().map(|server| server.address.clone()).collect::<Vec<_>>().join(","),
        RouteTarget::Local(_) => "local".to_owned(),
        other => format!("{other:?}"),
    }
}

fn get(target: &str) -> Request {
    Request::new("GET", target).with_header("host", "matrix.example.org")
}

fn delivery(proxy: &Proxy, target: &str) -> Delivery {
    proxy.sites[0].route(&get(target)).delivery.unwrap()
}

const INGRESS: &str = r#"apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: matrix
  annotations:
    nginx.ingress.kubernetes.io/proxy-body-size: 50m
    nginx.ingress.kubernetes.io/proxy-read-timeout: "600"
    nginx.ingress.kubernetes.io/upstream-hash-by: $http_authorization
spec:
  ingressClassName: nginx
  rules:
    - host: matrix.example.org
      http:
        paths:
          - {path: /_matrix, pathType: Prefix, backend: {service: {name: synapse, port: {name: http}}}}
          - {path: /_matrix/client/v3/sync, pathType: Exact, backend: {service: {name: sync, port: {number: 8083}}}}
"#;

#[test]
fn an_ingress_is_what_ingress_nginx_makes_of_it() {
    let proxy = proxy(INGRESS);
    assert_eq!((proxy.words, proxy.sites[0].hosts()), (Words::IngressNginx, &["matrix.example.org".to_owned()][..]));
    assert_eq!(goes(&proxy, &get("/_matrix/client/v3/sync?since=s1")), "sync-0:8083,sync-1:8083");
    assert_eq!(goes(&proxy, &get("/_matrix/client/v3/sync/x")), "synapse:8008");
    assert_eq!(goes(&proxy, &get("/_matrix")), "synapse:8008");
    assert_eq!(goes(&proxy, &get("/_matrixx")), "local", "a prefix ends at a slash");
    let delivery = delivery(&proxy, "/_matrix/client/v3/sync");
    assert_eq!((delivery.body_max, delivery.patience_ms), (Some(50 << 20), Some(600_000)));
    assert!(!delivery.buffers_responses && delivery.buffers_requests && delivery.forwarded_proto);
    let pool = proxy.pools.iter().find(|pool| pool.servers.len() == 2).unwrap();
    assert_eq!((pool.name.as_str(), pool.balance.as_str()), ("default-sync-8083", "hash $http_authorization consistent"));
    let rule = proxy.sites[0].route(&get("/_matrix/client/v3/sync")).rule.unwrap();
    let line = COMMON.lines().count() + INGRESS.lines().position(|line| line.contains("v3/sync")).unwrap() + 1;
    assert_eq!(rule.to_string(), format!("m.yaml:{line}"));
}

#[test]
fn one_regular_expression_makes_all_paths_of_the_host_such() {
    let text = INGRESS
        .replace("upstream-hash-by: $http_authorization", "use-regex: \"true\"")
        .replace("/_matrix/client/v3/sync, pathType: Exact", "\"/_matrix/client/(r0|v3)/sync$\", pathType: ImplementationSpecific");
    let proxy = proxy(&text);
    assert_eq!(goes(&proxy, &get("/_matrix/client/r0/sync")), "sync-0:8083,sync-1:8083");
    assert_eq!(goes(&proxy, &get("/_MATRIX/client/r0/sync")), "sync-0:8083,sync-1:8083", "without regard to case");
    assert_eq!(goes(&proxy, &get("/_matrixx")), "synapse:8008", "an expression has no end");
    assert_eq!(delivery(&proxy, "/_matrix/x").body_max, Some(50 << 20));
}

#[test]
fn of_other_controllers_only_the_paths_count() {
    let text = INGRESS.replace("ingressClassName: nginx", "ingressClassName: haproxy");
    let proxy = proxy(&text);
    assert_eq!(proxy.words, Words::Kubernetes);
    assert_eq!(goes(&proxy, &get("/_matrix/client/v3/sync")), "sync-0:8083,sync-1:8083");
    assert_eq!(delivery(&proxy, "/_matrix/client/v3/sync").body_max, None);
}

#[test]
fn traefiks_kinds_are_its_dynamic_configuration() {
    let text = r"apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: matrix}
spec:
  entryPoints: [websecure]
  routes:
    - match: Host(`matrix.example.org`) && PathPrefix(`/_matrix`)
      services: [{name: synapse, port: http}]
      middlewares: [{name: limit}]
    - match: Host(`matrix.example.org`) && PathRegexp(`^/_matrix/client/(r0|v3)/sync$`)
      priority: 1000
      services: [{name: sync, port: 8083, serversTransport: slow}]
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: limit}
spec: {buffering: {maxRequestBodyBytes: 1000000}}
---
apiVersion: traefik.io/v1alpha1
kind: ServersTransport
metadata: {name: slow}
spec: {forwardingTimeouts: {responseHeaderTimeout: 20s}}
";
    let proxy = proxy(text);
    assert_eq!(goes(&proxy, &get("/_matrix/client/v3/sync")), "sync-0:8083,sync-1:8083");
    assert_eq!(goes(&proxy, &get("/_matrix/client/versions")), "synapse:8008");
    assert_eq!(delivery(&proxy, "/_matrix/client/versions").body_max, Some(1_000_000));
    let slow = delivery(&proxy, "/_matrix/client/v3/sync");
    assert_eq!((slow.body_max, slow.patience_ms), (None, Some(20_000)));
    let ingress = INGRESS.replace("ingressClassName: nginx", "ingressClassName: traefik");
    let proxy = self::proxy(&ingress);
    assert_eq!((proxy.words, goes(&proxy, &get("/_matrixx"))), (Words::Traefik, "synapse:8008".to_owned()));
    assert_eq!(goes(&proxy, &get("/_matrix/client/v3/sync")), "sync-0:8083,sync-1:8083");
}

const ROUTE: &str = r"apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: matrix}
spec:
  hostnames: [matrix.example.org]
  rules:
    - matches: [{path: {type: PathPrefix, value: /_matrix}}]
      timeouts: {request: 10s}
      backendRefs: [{name: synapse, port: 80}]
    - matches:
        - path: {type: Exact, value: /_matrix/client/v3/sync}
          method: GET
        - path: {type: RegularExpression, value: '/_matrix/client/(r0|v3)/rooms/.*/messages'}
      backendRefs: [{name: sync, port: 8083}]
";

#[test]
fn the_most_specific_match_of_an_http_route_counts() {
    let proxy = proxy(ROUTE);
    assert_eq!(goes(&proxy, &get("/_matrix/client/v3/sync")), "sync-0:8083,sync-1:8083");
    assert_eq!(goes(&proxy, &Request::new("POST", "/_matrix/client/v3/sync")), "synapse:8008");
    assert_eq!(goes(&proxy, &get("/_matrixx")), "local");
    assert_eq!(delivery(&proxy, "/_matrix/client/versions").patience_ms, Some(10_000));
    let messages = get("/_matrix/client/v3/rooms/!a/messages");
    assert!(goes(&proxy, &messages).contains("depends on the gateway"), "{}", goes(&proxy, &messages));
    let gateway =
        |class: &str| format!("{ROUTE}---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nspec: {{gatewayClassName: {class}}}\n");
    assert_eq!(goes(&self::proxy(&gateway("istio")), &messages), "synapse:8008");
    for class in ["eg", "envoy-gateway", "cilium"] {
        assert_eq!(goes(&self::proxy(&gateway(class)), &messages), "sync-0:8083,sync-1:8083", "{class}");
    }
}

#[test]
fn what_a_proxy_of_the_files_gets_is_left_to_its_own_rules() {
    let held = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: haproxy}
data:
  haproxy.cfg: |
    frontend in
      bind :8008
  size: "5"
---
apiVersion: v1
kind: Secret
metadata: {name: synapse}
data:
  homeserver.yaml: c2VydmVyX25hbWU6IGV4YW1wbGUub3JnCmxpc3RlbmVyczogW10K
stringData: {"../x.yaml": "a: 1\nb: 2\n"}
"#;
    let found = files(Path::new("m.yaml"), held).unwrap();
    let names: Vec<_> = found.iter().map(|(path, _)| path.to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["m.yaml/haproxy/haproxy.cfg", "m.yaml/synapse/homeserver.yaml"]);
    assert_eq!(found[1].1, "server_name: example.org\nlisteners: []\n");
    let mounted = COMMON.replace("spec: {containers: [{name", "spec: {volumes: [{configMap: {name: haproxy}}], containers: [{name");
    let text = format!("{mounted}{INGRESS}");
    let proxies = read(&[(Path::new("m.yaml"), &text)], &["haproxy".to_owned()]).unwrap();
    assert!(proxies[0].sites.is_empty() && proxies[0].notes[0].text.contains("its rules are evaluated"), "{:?}", proxies[0].notes);
}

#[test]
fn lists_and_damaged_documents() {
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
      "metadata": {"name": "a"}, "spec": {"defaultBackend": {"service": {"name": "synapse", "port": {"number": 80}}}}}]}"#;
    let proxies = read(&[(Path::new("l.json"), list)], &[]).unwrap();
    assert_eq!(goes(&proxies[0], &get("/x")), "synapse:80");
    let error = read(&[(Path::new("m.yaml"), "kind: Ingress\n---\nkind: [\n")], &[]).unwrap_err().to_string();
    assert!(error.starts_with("m.yaml:3") || error.starts_with("m.yaml:4"), "{error}");
}
