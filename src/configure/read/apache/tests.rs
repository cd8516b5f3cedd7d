//! Small configurations, each with the destinations of requests.

use std::path::Path;

use super::super::model::{Proxy, Request, RouteTarget, Routed};
use super::read;
use wsim_nginx::NoFiles;

fn proxy(text: &str) -> Proxy {
    read(Path::new("site.conf"), text, &NoFiles).unwrap()
}

fn routed(proxy: &Proxy, site: usize, request: &str) -> Routed {
    let (method, target) = request.split_once(' ').unwrap();
    proxy.sites[site].route(&Request::new(method, target).with_header("Host", "matrix.example.org"))
}

fn to(proxy: &Proxy, request: &str) -> String {
    match routed(proxy, 0, request).target {
        RouteTarget::Pool(index) => proxy.pools[index].name.clone(),
        RouteTarget::Server(address) => address,
        RouteTarget::Local(what) => what,
        RouteTarget::Unknown(unknown) => format!("unknown: {}", unknown.why),
    }
}

#[test]
fn the_first_directive_that_takes_a_path_passes_it_on() {
    let proxy = proxy(
        "<VirtualHost *:443>\nServerName matrix.example.org:443\nServerAlias *.example.net\nAllowEncodedSlashes NoDecode\n\
         ProxyPass /_matrix/static !\nProxyPassMatch ^/_matrix/client/(r0|v3)/sync$ balancer://sync nocanon\n\
         ProxyPass /_matrix http://127.0.0.1:8008/_matrix nocanon timeout=600\nProxyPass /other http://127.0.0.1:8009/_matrix\n\
         <Proxy balancer://sync>\nBalancerMember http://127.0.0.1:8083 loadfactor=2\nBalancerMember http://127.0.0.1:8084\n\
         BalancerMember http://127.0.0.1:8085 status=+H\nProxySet lbmethod=bybusyness\n</Proxy>\n</VirtualHost>\n",
    );
    assert_eq!((proxy.sites[0].ports(), proxy.sites[0].hosts()[1].as_str()), ([443].as_slice(), "*.example.net"));
    assert_eq!(to(&proxy, "GET /_matrix/client/v3/sync?since=a"), "sync");
    assert_eq!(to(&proxy, "GET /_matrix/client/v3/account"), "127.0.0.1:8008");
    assert_eq!(to(&proxy, "GET /_matrix/static/x"), "a file, or status 404");
    assert_eq!(to(&proxy, "GET /_matrixx"), "a file, or status 404");
    let pool = &proxy.pools[0];
    assert_eq!((pool.servers.len(), pool.servers[0].weight, pool.balance.as_str()), (2, 2, "bybusyness"));
    let encoded = routed(&proxy, 0, "GET /_matrix/client/v3/rooms/%21a%3Ab%2Fc/x");
    assert!(!encoded.rewritten && encoded.delivery.unwrap().patience_ms == Some(600_000));
    assert!(routed(&proxy, 0, "GET /other/x").rewritten);
}

#[test]
fn without_nocanon_identifiers_are_spelled_in_another_way() {
    let proxy = proxy("ProxyPass /_matrix http://127.0.0.1:8008/_matrix\n");
    assert!(routed(&proxy, 0, "GET /_matrix/federation/v1/event/$event").rewritten);
    assert!(!routed(&proxy, 0, "GET /_matrix/client/versions").rewritten);
    assert!(to(&proxy, "GET /_matrix/a%2Fb").starts_with("status 404"));
}

#[test]
fn the_last_section_that_applies_counts_and_comes_before_the_servers_directives() {
    let proxy = proxy(
        "<Location /_matrix>\nProxyPass http://127.0.0.1:8008/_matrix\n</Location>\n<LocationMatch \"^/_matrix/client/.*/sync$\">\n\
         ProxyPass http://127.0.0.1:8083\n</LocationMatch>\n<Location /_synapse/admin>\nRequire all denied\n</Location>\n\
         ProxyPass /_matrix http://127.0.0.1:1\nProxyPass /_synapse http://127.0.0.1:8008/_synapse\n",
    );
    assert_eq!(to(&proxy, "GET /_matrix/client/v3/sync"), "127.0.0.1:8083");
    assert_eq!(to(&proxy, "GET /_matrix/client/v3/account"), "127.0.0.1:8008");
    assert_eq!(to(&proxy, "GET /_synapse/admin/v1/x"), "status 403");
    assert_eq!(to(&proxy, "GET /_synapse/client/x"), "127.0.0.1:8008");
}

#[test]
fn rewriting_comes_before_passing_on() {
    let proxy = proxy(
        "RewriteEngine On\nRewriteCond %{REQUEST_METHOD} ^PUT$\nRewriteRule ^/_matrix/client/.*/send/ balancer://events%{REQUEST_URI} [P,L]\n\
         RewriteRule ^/_matrix/key/ - [F]\nRewriteRule ^/_matrix/client/.*/sync$ - [E=POOL:sync]\n\
         ProxyPassInterpolateEnv On\nProxyPass /_matrix/ balancer://${POOL}/_matrix/ interpolate nocanon\n\
         <Proxy balancer://events>\nBalancerMember http://a:1\n</Proxy>\n<Proxy balancer://sync>\nBalancerMember http://b:1\n</Proxy>\n",
    );
    assert_eq!(to(&proxy, "PUT /_matrix/client/v3/rooms/a/send/b/c"), "events");
    assert_eq!(to(&proxy, "GET /_matrix/key/v2/server"), "status 403");
    assert_eq!(to(&proxy, "GET /_matrix/client/v3/sync"), "sync");
    assert!(to(&proxy, "GET /_matrix/client/v3/x").starts_with("unknown: there is no balancer"));
}

#[test]
fn what_is_not_there_is_unknown() {
    let proxy = proxy("Include matrix.conf\nProxyPass / http://127.0.0.1:8008/\n");
    assert!(to(&proxy, "GET /_matrix/x").contains("matrix.conf"));
    assert_eq!(proxy.missing.len(), 1);
    let proxy = read(Path::new("s.conf"), "<Location /_matrix>\nSetHandler proxy:http://a:1\n</Location>\n", &NoFiles).unwrap();
    assert!(to(&proxy, "GET /_matrix/x").starts_with("unknown: SetHandler"));
}

#[test]
fn rules_of_sections_match_files_and_the_last_section_counts() {
    let proxy = proxy(
        "DocumentRoot /srv/www\nRewriteEngine On\n<Directory /srv/www>\nRewriteEngine On\n\
         RewriteRule ^_matrix/(.*)/sync$ http://sync:1/_matrix/$1/sync [P]\nRewriteCond expr \"%{REQUEST_METHOD} == 'PUT'\"\n\
         RewriteRule ^_matrix/(.*) http://put:1/_matrix/$1 [P]\nRewriteRule ^_matrix/(.*) http://all:1/_matrix/$1 [P]\n</Directory>\n\
         <Location /_matrix/key>\nRewriteEngine On\nRewriteRule ^/_matrix/ http://never:1/ [P]\nRewriteRule /key/(.*) http://key:1/_matrix/key/$1 [P]\n\
         </Location>\nProxyPass /_matrix/media http://media:1/_matrix/media\n",
    );
    assert_eq!(to(&proxy, "GET /_matrix/client/v3/sync"), "sync:1");
    assert_eq!(to(&proxy, "PUT /_matrix/client/v3/x"), "put:1");
    assert_eq!(to(&proxy, "GET /_matrix/client/v3/x"), "all:1");
    assert_eq!(to(&proxy, "GET /_matrix/key/v2/server"), "key:1");
    assert_eq!(to(&proxy, "GET /_matrix/media/x"), "media:1");
}

#[test]
fn conditions_of_sections_are_evaluated_and_what_is_unknown_stays_so() {
    let proxy = proxy(
        "ProxyPass /_matrix http://all:1/_matrix\n<If \"%{REQUEST_URI} =~ m#/login$# && %{REQUEST_METHOD} != 'GET'\">\nRequire all denied\n</If>\n\
         <ElseIf \"%{SSL_CLIENT_VERIFY} == 'NONE'\">\nRequestHeader set X-Forwarded-Proto https\n</ElseIf>\n<Else>\nRequestHeader set a b\n</Else>\n\
         <Location /_synapse>\n<If \"%{SSL_CLIENT_VERIFY} == 'NONE'\">\nRequire all denied\n</If>\nProxyPass http://all:1/_synapse\n</Location>\n",
    );
    assert_eq!(to(&proxy, "POST /_matrix/client/v3/login"), "status 403");
    assert_eq!(to(&proxy, "GET /_matrix/client/v3/login"), "all:1");
    assert!(routed(&proxy, 0, "GET /_matrix/client/v3/login").delivery.unwrap().doubts.forwarded_proto.is_some());
    assert!(to(&proxy, "GET /_synapse/admin/v1/x").contains("SSL_CLIENT_VERIFY"), "{}", to(&proxy, "GET /_synapse/admin/v1/x"));
}
