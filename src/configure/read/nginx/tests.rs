use std::path::Path;

use super::*;
use crate::read::model::{KeyValue, Request, RouteTarget, Routed};
use wsim_nginx::NoFiles;

fn routed(config: &str, request: &Request) -> (Proxy, Routed) {
    let proxy = read(Path::new("nginx.conf"), config, &NoFiles).unwrap();
    let routed = proxy.sites[0].route(request);
    (proxy, routed)
}

fn goes(config: &str, method: &str, target: &str) -> String {
    let (proxy, routed) = routed(config, &Request::new(method, target));
    match routed.target {
        RouteTarget::Pool(index) => proxy.pools[index].name.clone(),
        RouteTarget::Server(address) => address,
        RouteTarget::Local(what) => format!("local: {what}"),
        RouteTarget::Unknown(unknown) => format!("unknown: {} at {}", unknown.why, unknown.at),
    }
}

#[test]
fn locations_have_nginxs_precedence() {
    let config = "server {
        location / { proxy_pass http://root:1; }
        location /_matrix/ { proxy_pass http://prefix:1; location ~ inner { proxy_pass http://inner:1; } }
        location ^~ /_matrix/media/ { proxy_pass http://media:1; }
        location = /exact { proxy_pass http://exact:1; }
        location ~ /sync$ { proxy_pass http://first:1; }
        location ~* ^/_matrix/client/v3/SYNC$ { proxy_pass http://second:1; }
        location /folder/ { proxy_pass http://folder:1; }
    }";
    let cases = [
        ("/", "root:1"),
        ("/_matrix/x", "prefix:1"),
        ("/_matrix/inner", "inner:1"),
        ("/_matrix/inner/sync", "inner:1"),
        ("/_matrix/media/sync", "media:1"),
        ("/exact", "exact:1"),
        ("/exact/", "root:1"),
        ("/_matrix/client/v3/sync", "first:1"),
        ("/_matrix/client/v3/Sync", "second:1"),
        ("/_matrix//client/./v3/sy%6ec?a=/x", "first:1"),
        ("/folder", "local: status 301, for the slash at the end"),
    ];
    for (target, expected) in cases {
        assert_eq!(goes(config, "GET", target), expected, "{target}");
    }
}

#[test]
fn methods_are_distinguished_in_every_common_way() {
    let config = "map $request_method $typing { default http://main:1; PUT http://writer:1; }
      server {
        error_page 418 = @writer;
        location ~ /a$ { proxy_pass $typing; }
        location ~ /b$ { if ($request_method = PUT) { return 418; } proxy_pass http://main:1; }
        location ~ /c$ { limit_except GET { proxy_pass http://writer:1; } proxy_pass http://main:1; }
        location ~ /d$ { set $pool main:1; if ($request_method ~ ^(PUT|POST)$) { set $pool writer:1; } proxy_pass http://$pool; }
        location ~ /e$ { if ($request_method = PUT) { proxy_pass http://writer:1; } proxy_pass http://main:1; }
        location @writer { proxy_pass http://writer:1; }
      }";
    for path in ["/a", "/b", "/c", "/d", "/e"] {
        assert_eq!(goes(config, "GET", path), "main:1", "{path}");
        assert_eq!(goes(config, "PUT", path), "writer:1", "{path}");
    }
}

#[test]
fn rewrites_search_again_and_are_reported() {
    let config = "server {
        rewrite ^/old/(.*)$ /new/$1;
        location /new/ { proxy_pass http://new:1; }
        location /loop { rewrite ^ /loop2 last; }
        location /loop2 { rewrite ^ /loop last; }
        location /stay { rewrite ^/stay(.*)$ /x$1?y=1 break; proxy_pass http://stay:1; }
        location /uri/ { proxy_pass http://uri:1/; }
        location /away { return 301 https://x; }
        location / { try_files $uri @back; }
        location @back { proxy_pass http://back:1; }
    }";
    assert_eq!(goes(config, "GET", "/old/a"), "new:1");
    assert_eq!(goes(config, "GET", "/stay/a"), "stay:1");
    assert!(goes(config, "GET", "/loop").contains("unknown"), "{}", goes(config, "GET", "/loop"));
    assert_eq!(goes(config, "GET", "/away"), "local: status 301");
    assert_eq!(goes(config, "GET", "/any"), "back:1");
    assert!(routed(config, &Request::new("GET", "/uri/x")).1.rewritten);
    assert!(!routed(config, &Request::new("GET", "/any")).1.rewritten);
}

#[test]
fn keys_are_evaluated_through_maps() {
    let config = r#"
      map $arg_since $sync { default syncs; '' initials; }
      map $arg_access_token $from_url { default $arg_access_token; "~syt_(?<username>.*?)_.*" $username; }
      map $http_authorization $localpart { default $http_authorization; "~Bearer syt_(?<username>.*?)_.*" $username; "" $from_url; }
      upstream syncs { hash $localpart consistent; server 127.0.0.1:1; server 127.0.0.1:2 weight=3; server 127.0.0.1:3 down; }
      upstream initials { ip_hash; zone z 64k; server 127.0.0.1; }
      location ~ ^/_matrix/client/(r0|v3)/sync$ { proxy_pass http://$sync; }
    "#;
    let asked = |query: &str, token: &str| {
        let mut request = Request::new("GET", &format!("/_matrix/client/v3/sync?{query}"));
        if !token.is_empty() {
            request = request.with_header("Authorization", token);
        }
        routed(config, &request)
    };
    let (proxy, first) = asked("since=s1", "Bearer syt_YWxpY2U_abc_1");
    assert_eq!(first.key, KeyValue::Text("YWxpY2U".to_owned()));
    assert_eq!(first.target, RouteTarget::Pool(0));
    assert_eq!(proxy.pools[0].servers.iter().map(|server| server.weight).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(asked("since=s1&access_token=syt_Ym9i_x_1", "").1.key, KeyValue::Text("Ym9i".to_owned()));
    assert_eq!(asked("since=s1", "").1.key, KeyValue::Text(String::new()));
    assert_eq!(asked("", "Bearer x").1.key, KeyValue::Text("192.0.2".to_owned()));
    assert!(proxy.pools[1].shared);
    assert_eq!(proxy.pools[1].servers[0].address, "127.0.0.1:80");
}

#[test]
fn parts_that_are_not_evaluated_have_a_location() {
    let config = "split_clients $remote_addr $side { 50% a; * b; }
    server {
      location ~ ^/(?!x)y { proxy_pass http://a:1; }
      location /side { proxy_pass http://$side; }
    }";
    let answer = goes(config, "GET", "/other");
    assert!(answer.contains("look-around") && answer.ends_with("nginx.conf:3"), "{answer}");
    let config = config.replace("(?!x)y", "y");
    let answer = goes(&config, "GET", "/side");
    assert!(answer.contains("split_clients") && answer.ends_with("nginx.conf:1"), "{answer}");
}

fn target(text: &str) -> RouteTarget {
    read(Path::new("nginx.conf"), text, &NoFiles).unwrap().sites[0].route(&Request::new("GET", "/a")).target
}

#[test]
fn texts_that_double_end_as_unknown() {
    let doubling = "rewrite ^(.*)$ $1$1;".repeat(60);
    let found = target(&format!("server {{ location / {{ {doubling} proxy_pass http://a; }} }}"));
    assert!(matches!(&found, RouteTarget::Unknown(unknown) if unknown.why.contains("grows beyond 100 kB")), "{found:?}");
    let doubling = "set $a $a$a;".repeat(60);
    let found = target(&format!("server {{ set $a x; {doubling} location / {{ proxy_pass http://a$a; }} }}"));
    assert!(!matches!(found, RouteTarget::Pool(_)), "{found:?}");
}

#[test]
fn a_request_costs_a_bounded_number_of_steps() {
    let many = "set $a b;".repeat(60_000);
    let found = target(&format!("server {{ location / {{ {many} proxy_pass http://a; }} }}"));
    assert!(matches!(&found, RouteTarget::Unknown(unknown) if unknown.why.contains("more than 50000 steps")), "{found:?}");
    // Texts that are kept count by their length.
    let long = format!("set $a {};", "x".repeat(50_000)) + &(0..200).map(|n| format!("set $b{n} $a;")).collect::<String>();
    let found = target(&format!("server {{ location / {{ {long} proxy_pass http://a; }} }}"));
    assert!(matches!(&found, RouteTarget::Unknown(unknown) if unknown.why.contains("steps for one request")), "{found:?}");
}

#[test]
fn error_pages_are_shared_by_the_locations_within() {
    let pages = "error_page 404 /a;".repeat(2000);
    let locations = (0..2000).map(|n| format!("location /{n} {{ proxy_pass http://a; }}")).collect::<String>();
    let proxy = read(Path::new("nginx.conf"), &format!("server {{ {pages} {locations} }}"), &NoFiles).unwrap();
    assert_eq!(proxy.sites.len(), 1);
}

#[test]
fn a_fallback_to_a_file_is_the_file() {
    let config =
        "server { root /srv; location / { try_files $uri $uri/ /index.html; } location /app/ { try_files $uri /app/index.html?q; } }";
    assert_eq!(goes(config, "GET", "/_matrix/x"), "local: a file");
    assert_eq!(goes(config, "GET", "/app/x"), "local: a file");
}
