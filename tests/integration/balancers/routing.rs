//! The route evaluators of `wsim audit` compared with nginx, HAProxy and Apache on the same configuration.
//!
//! The requests are one for every method of every row of the endpoint table, and paths that are difficult to route.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use wsim::configure::audit::examples;
use wsim::configure::read::{NoFiles, Proxy as Configuration, Request, RouteTarget, apache, haproxy, nginx};
use wsim::endpoints::{Classifier, ClassifierConfig, table_for};

use super::echo::Echo;
use crate::configure::proxies::apache_frame;
use crate::proxy::Proxy;

/// `S0` to `S7` are replaced by the servers' addresses.
const NGINX: &str = r#"
  map $request_method $by_method { default http://S1; PUT http://S2; "~^(DELETE|POST)$" http://S3; }
  map $arg_since $sync { default syncs; '' initials; }
  map $uri $by_path { default 0; "~*^/_MATRIX/client/(?<version>r0|v3)/profile" $version; }
  upstream syncs { server S4; }
  upstream initials { server S5; }
  server {
    listen LISTEN;
    error_page 418 = @writer;
    rewrite ^/old/(.*)$ /_matrix/client/v3/$1;
    set $flag "";
    if ($request_method = PATCH) { set $flag 1; }
    location / { proxy_pass http://S0; }
    location /_matrix/ { proxy_pass http://S0; }
    location = /_matrix/client/versions { proxy_pass http://S6; }
    location ^~ /_matrix/media/ { proxy_pass http://S7; location ~ thumbnail { proxy_pass http://S6; } location /_matrix/media/r0/ { proxy_pass http://S1; } }
    location /_matrix/federation/ { proxy_pass http://S1; location ~ /send { proxy_pass http://S2; } location = /_matrix/federation/v1/version { proxy_pass http://S3; } }
    location ~ ^/_matrix/client/(r0|v3)/sync$ { proxy_pass http://$sync; }
    location ~* ^/_matrix/client/(api/v1|r0|v3|unstable)/ROOMS/.*/(redact|send|state/) { proxy_pass $by_method; }
    location ~ ^/_matrix/client/(api/v1|r0|v3|unstable)/rooms/.*/typing { if ($request_method = PUT) { return 418; } proxy_pass http://S0; }
    location ~ ^/_matrix/client/[^/]+/rooms/[^/]+/(join|leave)$ { limit_except POST { proxy_pass http://S3; } proxy_pass http://S4; }
    location ~ ^/_matrix/client/(api/v1|r0|v3|unstable)/pushrules/ { set $pool S5; if ($request_method !~ ^(GET|HEAD)$) { set $pool S6; } proxy_pass http://$pool; }
    location ~ ^/_matrix/client/.*/presence/ { if ($request_method = PUT) { proxy_pass http://S7; } proxy_pass http://S1; }
    location ~ ^/_matrix/client/.*/profile/ { if ($by_path) { rewrite ^ /_matrix/profile-of-$by_path last; } proxy_pass http://S1; }
    location ~ ^/_matrix/profile-of-v3$ { internal; proxy_pass http://S2; }
    location ~ ^/_matrix/client/.*/devices(/|$) { try_files $uri @writer; }
    location ~ ^/_matrix/client/.*/keys/ { rewrite ^(.*)/keys/(.*)$ $1/moved/$2?x=1; proxy_pass http://S1; }
    location ~ ^/_matrix/client/.*/moved/ { proxy_pass http://S3; }
    location /_synapse/admin { if ($flag) { return 405; } deny all; }
    location /_synapse/client/ { proxy_pass http://S5; }
    location /quoted { return 404; }
    location ~ "^/_matrix/key/v[0-9]{1}/" { proxy_pass http://S6; }
    location @writer { proxy_pass http://S2; }
  }
"#;

const HAPROXY: &str = r#"
global
  nbthread 1
  maxconn 1000
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
frontend matrix
  bind LISTEN
  acl is_sync path_reg ^/_matrix/client/(r0|v3)/sync$
  acl incremental urlp(since) -m found
  acl writes method PUT POST DELETE
  acl media path_beg /_matrix/media/ /_matrix/client/v1/media/
  acl media path_end /media
  acl odd path_sub // -i /%2E
  acl long path_len 60:
  acl agent hdr(X-Agent) -m str -i One two
  acl agent hdr_beg(X-Agent) three
  acl dir path_dir rooms
  http-request set-var(txn.room) path,regsub(^.*/rooms/,),field(1,/)
  http-request set-var(txn.kind) str(room) if { path -m reg /rooms/[^/]+/(send|redact|state)/ }
  http-request set-path /replaced%[path] if { path_beg /old/ }
  http-request deny if { path_beg /_synapse/admin } !{ method GET }
  http-request return status 200 content-type text/plain string "own" if { path /own }
  use_backend %[path,word(2,/),lower] if { path_beg /named/ }
  use_backend b5 if { path_beg /replaced }
  use_backend b1 if is_sync incremental
  use_backend b2 if is_sync
  use_backend b3 if media or agent
  use_backend b4 if { var(txn.kind) -m str room } writes
  use_backend b5 if { var(txn.room) -m found } { var(txn.room) -m beg ! } dir !writes
  use_backend b6 if odd || long METH_POST
  use_backend b7 unless { path_beg /_matrix/client } or { path,lower,length gt 40 }
  default_backend b0
"#;

const APACHE: &str = r#"
AllowEncodedSlashes NoDecode
ProxyPreserveHost On
SetEnvIf Request_URI "^/_matrix/key/" KEY=1
RewriteEngine On
RewriteRule "^/old/(.*)$" "/_matrix/client/v3/$1" [PT]
RewriteRule ^/own - [R=404]
RewriteRule ^/named/(b\d) - [F]
RewriteCond %{REQUEST_METHOD} ^(PUT|DELETE)$
RewriteRule ^/_matrix/client/(api/v1|r0|v3|unstable)/rooms/.*/(redact|send|state/) http://S1%{REQUEST_URI} [P,L]
RewriteCond %{QUERY_STRING} (?:^|&)since=([^&]+)
RewriteRule ^/_matrix/client/(r0|v3)/sync$ - [E=POOL:incremental-%1]
RewriteCond %{ENV:POOL} ^incremental-
RewriteRule ^ http://S4%{REQUEST_URI} [P]
RewriteCond %{HTTP:X-Agent} ^one [NC,OR]
RewriteCond %{HTTP:X-Agent} two
RewriteRule ^/_matrix/client/(.*)$ balancer://agents/_matrix/client/$1 [P]
RewriteCond %{ENV:KEY} =1
RewriteRule !^/_matrix/key/v2/query http://S6%{REQUEST_URI} [P,NE]
RewriteCond "%{THE_REQUEST}" "^PATCH "
RewriteRule "^/_matrix/client/.*/join$" - [C]
RewriteRule "^" - [G]
RewriteRule "^/_synapse/client" - [S=1]
RewriteRule "^/_synapse/[b-z]" - [G]
ProxyPassMatch "^/_matrix/media/(.*)/thumbnail" "http://S7"
ProxyPass /_matrix/media/r0 !
ProxyPass /_matrix/media http://S3/_matrix/media nocanon
ProxyPassMatch "^(/_matrix/federation/v[12])/(.*)$" "http://S2$1/$2" nocanon
ProxyPass /_matrix/client/ balancer://clients/_matrix/client/ nocanon timeout=30
ProxyPass /quoted/ http://S0/
ProxyPass /_synapse http://S0/_synapse
ProxyPass / http://S0/
<Proxy "balancer://clients">
  BalancerMember http://S5
</Proxy>
<Proxy "balancer://agents">
  BalancerMember http://S3
  BalancerMember http://S1 status=+H
</Proxy>
<Location /_synapse/admin>
  Require all denied
</Location>
<LocationMatch "^/_matrix/client/(api/v1|r0|v3|unstable)/.*/profile/">
  ProxyPass http://S6
</LocationMatch>
<LocationMatch "^/_matrix/client/(api/v1|r0|v3|unstable)/profile/">
  ProxyPassMatch http://S7
</LocationMatch>
<Location "/_matrix/client/v3/devices">
  ProxyPass http://S2/_matrix/client/v3/devices
</Location>
<Location "/_matrix/client/*/keys">
  ProxyPass http://S2
</Location>
<Location "/_matrix/client/v3/pushrules">
  ProxyPass !
</Location>
"#;

fn with_servers(text: &str, echoes: &[Echo], port: u16) -> String {
    let mut text = text.replace("LISTEN", &format!("127.0.0.1:{port}"));
    for (index, echo) in echoes.iter().enumerate() {
        text = text.replace(&format!("S{index}"), &echo.address());
    }
    text
}

/// One request for every method of every row of a release's endpoint table.
pub(super) fn examples_of(release: &str) -> Vec<Request> {
    let classifier = Classifier::new(&table_for(Some(release)).unwrap().table, &ClassifierConfig::default()).unwrap();
    examples::of(&classifier).iter().map(|example| Request::new(example.method, &example.target)).collect()
}

/// The examples of the endpoint table, and paths that are difficult to route.
fn requests() -> Vec<Request> {
    let mut requests = examples_of("1.157");
    let difficult = [
        "/",
        "/_matrix",
        "/_matrix/",
        "/_matrix/media",
        "/_matrix/media/r0/x",
        "/_matrix/media/r0/thumbnail/a",
        "/_matrix/media/v3/thumbnail/a",
        "/_matrix/client/versions/",
        "/_matrix//client/versions",
        "/_matrix/./client/../client/versions",
        "/%5Fmatrix/client/versions",
        "/_matrix/client/v3/sync/",
        "/_matrix/client/v3/syn%63?since=a",
        "/_matrix/client/v3/sync?SINCE=a",
        "/_matrix/client/v3/sync?since=",
        "/_matrix/client/v3/sync?x=since&a=b&since=s",
        "/_matrix/client/v3/sync?xsince=1",
        "/_MATRIX/client/v3/rooms/a/send/b",
        "/_matrix/client/v3/rooms/!a%3Ab/send/m/1",
        "/_matrix/client/v3/rooms/%21a/redact/x",
        "/_matrix/client/v3/rooms/a%2Fb/state/",
        "/_matrix/client/v3/ROOMS/a/state/x",
        "/_matrix/client/r0/profile/a/b",
        "/_matrix/client/v3/profile/a/b",
        "/_matrix/client/api/v1/profile/a",
        "/_matrix/profile-of-v3",
        "/old/sync?since=s",
        "/old/rooms/a/send/b",
        "/own",
        "/own/",
        "/named/b3",
        "/named/B4/x",
        "/named/none",
        "/_synapse/admin/v1/x",
        "/_synapse/client/pick_idp",
        "/_synapse/client",
        "/quoted?x",
        "/_matrix/key/v2/server",
        "/a//b/rooms",
        "/%2e/x",
        "/_matrix/client/v3/keys/query?y=2",
        "/_matrix/federation/v1/version",
        "/_matrix/federation/v1/version/",
        "/_matrix/federation/x/send",
        "/_matrix/client/v3/rooms/a/join",
        "/_matrix/client/v3/rooms/a/b/join",
        "/_matrix/media/v3/download/a/b/media",
        "/xrooms/!a/y",
        "/_matrix/client/v3/rooms/!a:b/messages?from=1",
        "/_matrix/client/unstable/presence/x",
        "/_matrix/client/v3/pushrules",
    ];
    for target in difficult {
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            requests.push(Request::new(method, target));
        }
        for agent in ["one", "TWO", "threefold", "none, two"] {
            requests.push(Request::new("GET", target).with_header("X-Agent", agent));
        }
    }
    requests
}

/// Sends a request to `localhost`; the server that responded, or the status if the proxy itself responded.
fn send(port: u16, request: &Request) -> Result<String, u16> {
    send_as(port, &request.clone().with_header("Host", "localhost"))
}

/// Sends a request with its headers, `Host` among them.
pub(super) fn send_as(port: u16, request: &Request) -> Result<String, u16> {
    let headers: String = request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = if request.method == "GET" { "" } else { "Content-Length: 0\r\n" };
    let text = format!("{} {} HTTP/1.1\r\nConnection: close\r\n{length}{headers}\r\n", request.method, request.target());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    let response = String::from_utf8_lossy(&response).into_owned();
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let server = body.lines().find(|line| line.starts_with("127.0.0.1:"));
    server.map(|line| line.trim().to_owned()).ok_or(status)
}

fn compare(configuration: &Configuration, port: u16) {
    let requests = requests();
    assert!(requests.len() > 700, "{}", requests.len());
    let (mut wrong, mut servers, mut local) = (Vec::new(), std::collections::BTreeSet::new(), 0);
    for request in &requests {
        let actual = send(port, request);
        let evaluated = match configuration.sites[0].route(request).target {
            RouteTarget::Pool(pool) => Some(configuration.pools[pool].servers[0].address.clone()),
            RouteTarget::Server(address) => Some(address),
            RouteTarget::Local(_) => None,
            RouteTarget::Unknown(unknown) => panic!("{} {}: {} at {}", request.method, request.target(), unknown.why, unknown.at),
        };
        if actual.as_ref().ok() != evaluated.as_ref() {
            wrong.push(format!("{} {}: {actual:?}, evaluated {evaluated:?}", request.method, request.target()));
        }
        servers.extend(actual.as_ref().ok().cloned());
        local += usize::from(actual.is_err());
    }
    assert_eq!(servers.len(), 8, "not every server was reached, so the comparison proves little");
    assert!(local > 10, "the proxy itself responded to too few requests");
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), requests.len());
}

#[test]
fn the_nginx_evaluator_routes_like_nginx() {
    let echoes = Echo::start_all(8);
    let configure = |port: u16, _: &Path| {
        format!(
            "daemon off;\npid nginx.pid;\nerror_log stderr;\nworker_processes 1;\nevents {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n  \
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n  \
             {}\n}}\n",
            with_servers(NGINX, &echoes, port)
        )
    };
    let proxy = Proxy::start("nginx", configure, |command, folder| {
        command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(folder.join("config"));
    });
    let configuration = nginx::read(Path::new("nginx.conf"), &configure(proxy.port, Path::new("")), &NoFiles).unwrap();
    compare(&configuration, proxy.port);
}

#[test]
fn the_haproxy_evaluator_routes_like_haproxy() {
    let echoes = Echo::start_all(8);
    let configure = |port: u16, _: &Path| {
        let backends: String = (0..8).map(|index| format!("backend b{index}\n  server s S{index}\n")).collect();
        with_servers(&format!("{HAPROXY}{backends}"), &echoes, port)
    };
    let proxy = Proxy::start("haproxy", configure, |command, folder| {
        command.arg("-db").arg("-f").arg(folder.join("config"));
    });
    let configuration = haproxy::read(Path::new("haproxy.cfg"), &configure(proxy.port, Path::new("")), &NoFiles).unwrap();
    compare(&configuration, proxy.port);
}

#[test]
fn the_apache_evaluator_routes_like_apache() {
    let echoes = Echo::start_all(8);
    let configure = |port: u16, folder: &Path| {
        let modules = "LoadModule setenvif_module /usr/lib/apache2/modules/mod_setenvif.so\n";
        format!("{modules}{}", apache_frame(port, folder, &with_servers(APACHE, &echoes, port)))
    };
    let proxy = Proxy::start("apache2", configure, |command, folder| {
        command.arg("-DFOREGROUND").arg("-f").arg(folder.join("config"));
    });
    let folder = tempfile::tempdir().unwrap();
    let configuration = apache::read(Path::new("apache2.conf"), &configure(proxy.port, folder.path()), &NoFiles).unwrap();
    compare(&configuration, proxy.port);
}
