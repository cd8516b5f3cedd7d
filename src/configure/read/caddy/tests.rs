use std::path::Path;

use super::*;
use crate::read::model::{KeyValue, Request, RouteTarget};
use wsim_nginx::{Files, NoFiles};

fn goes(proxy: &Proxy, method: &str, target: &str) -> String {
    match proxy.sites[0].route(&Request::new(method, target)).target {
        RouteTarget::Pool(index) => proxy.pools[index].name.clone(),
        RouteTarget::Local(what) => format!("local: {what}"),
        other => format!("{other:?}"),
    }
}

const CADDYFILE: &str = r#"
{
  email a@example.org
}
(workers) {
  lb_policy header Authorization
}
matrix.example.org, matrix.example.org:8448 {
  reverse_proxy localhost:8008
  @sync path_regexp ^/_matrix/client/(r0|v3)/sync$
  @typing {
    path_regexp ^/_matrix/client/v3/rooms/.*/typing
    method PUT
  }
  @initial {
    path /_matrix/client/v3/sync
    not query since=*
  }
  handle @initial {
    reverse_proxy initial:1
  }
  handle @sync {
    reverse_proxy sync:1 sync:2 {
      import workers
    }
  }
  reverse_proxy @typing typing:1
  reverse_proxy /_matrix/media/* media:1
  respond /.well-known/matrix/* "{}"
}
"#;

#[test]
fn directives_are_sorted_as_caddy_sorts_them() {
    let proxy = read(Path::new("Caddyfile"), CADDYFILE, &NoFiles).unwrap();
    let cases = [
        ("GET", "/_matrix/client/v3/sync", "initial:1"),
        ("GET", "/_matrix/client/v3/sync?since=s", "sync:1,sync:2"),
        ("PUT", "/_matrix/client/v3/rooms/a/typing/b", "typing:1"),
        ("GET", "/_matrix/client/v3/rooms/a/typing/b", "localhost:8008"),
        ("GET", "/_Matrix/media/x", "media:1"),
        ("GET", "/.well-known/matrix/server", "local: respond /.well-known/matrix/* {}"),
        ("GET", "/_matrix/x", "localhost:8008"),
    ];
    for (method, target, expected) in cases {
        assert_eq!(goes(&proxy, method, target), expected, "{method} {target}");
    }
    let sync = proxy.pools.iter().find(|pool| pool.servers.len() == 2).unwrap();
    assert_eq!(sync.balance, "header Authorization");
}

#[test]
fn json_is_read_as_caddy_reads_it() {
    let text = r#"{"apps":{"http":{"servers":{"srv0":{"listen":[":443"],"routes":[
      {"match":[{"path":["/_matrix/media/*"],"not":[{"method":["PUT"]}]}],"group":"g","handle":[{"handler":"subroute","routes":[
        {"handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"media:1"},{"dial":"media:2"}],
          "load_balancing":{"selection_policy":{"policy":"least_conn"}}}]}]}]},
      {"group":"g","handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"main:1"}]}],"terminal":true}
    ]}}}}}"#;
    let proxy = read_json(Path::new("caddy.json"), text).unwrap();
    assert_eq!(goes(&proxy, "GET", "/_matrix/media/x"), "media:1,media:2");
    assert_eq!(goes(&proxy, "PUT", "/_matrix/media/x"), "main:1");
    assert_eq!(proxy.pools[0].balance, "least_conn");
}

const MAPPED: &str = r#"
example.org {
  route {
    @outside not remote_ip 127.0.0.0/8
    respond @outside "no" 403
  }
}
matrix.example.org {
  route {
    map "{http.request.method} {http.request.uri}" {pool} {
      `~^[^ ]+ /_matrix/client/(r0|v3)/sync(?:[? ]|$)` sync
      `~^PUT /_matrix/client/v3/rooms/([^/?]+)/typing` typing
      default main
    }
    map {http.request.header.Authorization} {user} {
      `~^Bearer syt_([^_]*)_` "${1}"
      default ""
    }
    @sync vars {pool} sync
    handle @sync {
      request_header X-User "{user}"
      reverse_proxy sync:1 sync:2 {
        lb_policy header X-User
      }
    }
    @typing vars {pool} typing
    reverse_proxy @typing writer:1
    reverse_proxy main:1
  }
}
"#;

#[test]
fn maps_set_variables_that_matchers_and_headers_use() {
    let proxy = read(Path::new("Caddyfile"), MAPPED, &NoFiles).unwrap();
    assert!(proxy.notes.is_empty(), "{:?}", proxy.notes);
    let route = |method: &str, target: &str| {
        let request = Request::new(method, target).with_header("Authorization", "Bearer syt_YWxpY2U_x_y").with_header("X-User", "forged");
        let routed = proxy.sites[1].route(&request);
        let RouteTarget::Pool(pool) = routed.target else { panic!("{routed:?}") };
        (proxy.pools[pool].name.clone(), routed.key)
    };
    assert_eq!(route("GET", "/_matrix/client/v3/sync?since=1"), ("sync:1,sync:2".to_owned(), KeyValue::Text("YWxpY2U".to_owned())));
    assert_eq!(route("PUT", "/_matrix/client/v3/rooms/!a/typing/@b").0, "writer:1");
    assert_eq!(route("GET", "/_matrix/client/v3/rooms/!a/typing/@b").0, "main:1");
    let outside = proxy.sites[0].route(&Request::new("GET", "/"));
    assert!(matches!(&outside.target, RouteTarget::Local(what) if what.contains("403")), "{outside:?}");
}

#[test]
fn json_has_maps_too() {
    let text = r#"{"apps": {"http": {"servers": {"s": {"routes": [
        {"handle": [
            {"handler": "map", "source": "{http.request.uri.path}", "destinations": ["{pool}"],
             "mappings": [{"input_regexp": "^/a", "outputs": ["a"]}, {"input": "/b", "outputs": ["b"]}], "defaults": ["c"]},
            {"handler": "headers", "request": {"set": {"X-Pool": ["{pool}"]}}}]},
        {"match": [{"vars": {"{pool}": ["a", "b"]}}],
         "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": "ab:1"}, {"dial": "ab:2"}],
                     "load_balancing": {"selection_policy": {"policy": "header", "field": "X-Pool"}}}]},
        {"handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": "c:1"}]}]}
    ]}}}}}"#;
    let proxy = read_json(Path::new("caddy.json"), text).unwrap();
    assert_eq!(goes(&proxy, "GET", "/ax"), "ab:1,ab:2");
    assert_eq!(goes(&proxy, "GET", "/b"), "ab:1,ab:2");
    assert_eq!(goes(&proxy, "GET", "/bx"), "c:1");
    assert_eq!(proxy.sites[0].route(&Request::new("GET", "/b")).key, KeyValue::Text("b".to_owned()));
}

#[test]
fn an_unsupported_change_makes_an_existing_header_unknown() {
    let text = r#"
matrix.example.org {
  request_header +X-More b
  request_header X-Edited a b
  request_header -X-Gone
  reverse_proxy /more one:1 two:1 {
    lb_policy header X-More
  }
  reverse_proxy /edited one:1 two:1 {
    lb_policy header X-Edited
  }
  reverse_proxy /gone one:1 two:1 {
    lb_policy header X-Gone
  }
}
"#;
    let proxy = read(Path::new("Caddyfile"), text, &NoFiles).unwrap();
    let key = |path: &str, header: Option<&str>| {
        let request = Request::new("GET", path);
        let request = header.map_or(request.clone(), |name| request.with_header(name, "a"));
        proxy.sites[0].route(&request).key
    };
    assert_eq!(key("/more", None), KeyValue::Text("b".to_owned()));
    assert!(matches!(key("/more", Some("X-More")), KeyValue::Unknown(why) if why.contains("X-More")));
    assert_eq!(key("/edited", None), KeyValue::Text(String::new()));
    assert!(matches!(key("/edited", Some("X-Edited")), KeyValue::Unknown(why) if why.contains("X-Edited")));
    assert_eq!(key("/gone", Some("X-Gone")), KeyValue::Text(String::new()));
}

/// Imported files by their names.
struct Imported(&'static [(&'static str, &'static str)]);

impl Files for Imported {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        let found = self.0.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    fn matching(&self, pattern: &str, _: &[&Path]) -> Vec<std::path::PathBuf> {
        vec![pattern.into()]
    }
}

#[test]
fn nothing_of_an_imported_file_that_is_no_configuration_is_quoted() {
    const SECRETS: [&str; 4] = [
        "root:$6$SECRET$hash:19000:0:99999:7:::\nSECRETdaemon:*:19000:0:99999:7:::\n",
        "SECRETtoken\n",
        "SECRET {\n  SECRET SECRET\n}\n@SECRET SECRET\n",
        "SECRET {\n",
    ];
    const CADDYFILES: [&str; 4] = [
        "import secret\n",
        "import secret\nreverse_proxy a:1\n",
        "example.org {\n  import secret\n  reverse_proxy a:1\n}\n",
        "example.org {\n  @m {\n    import secret\n  }\n  reverse_proxy @m a:1 {\n    import secret\n  }\n}\n",
    ];
    for secret in SECRETS {
        for caddyfile in CADDYFILES {
            let files = Imported(Box::leak(Box::new([("secret", secret)])));
            let shown = match read(Path::new("Caddyfile"), caddyfile, &files) {
                Err(error) => error.to_string(),
                Ok(proxy) => {
                    let routed: Vec<String> = proxy
                        .sites
                        .iter()
                        .map(|site| format!("{} {:?}", site.name(), site.route(&Request::new("GET", "/_matrix/x"))))
                        .collect();
                    format!("{:?} {routed:?}", proxy.notes)
                }
            };
            assert!(!shown.contains("SECRET"), "{caddyfile}: {shown}");
            // Within a matcher or a proxy the lines are ignored.
            assert!(shown.contains("secret") || caddyfile.contains("@m"), "the file is named: {caddyfile}: {shown}");
        }
    }
}

#[test]
fn an_imported_site_keeps_its_name_and_its_directives_are_named() {
    let files = Imported(&[("site", "*.example.org:8448, localhost {\n  rate_limit x\n  handle_errors {\n  }\n  reverse_proxy a:1\n}\n")]);
    let proxy = read(Path::new("Caddyfile"), "import site\n", &files).unwrap();
    assert_eq!(proxy.sites[0].name(), "*.example.org:8448, localhost");
    let notes: Vec<&str> = proxy.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(notes, ["the directive rate_limit is not evaluated", "the directive handle_errors is not evaluated"]);
}

#[test]
fn texts_that_double_end_as_unknown() {
    let doubling = "  vars a {vars.a}{vars.a}\n".repeat(60);
    let text = format!(
        "a.example {{\n route {{\n  vars a x\n{doubling}  request_header X {{vars.a}}\n  reverse_proxy b:1 {{\n   lb_policy header X\n  }}\n }}\n}}\n"
    );
    let proxy = read(Path::new("Caddyfile"), &text, &NoFiles).unwrap();
    let key = proxy.sites[0].route(&Request::new("GET", "/")).key;
    assert!(matches!(&key, KeyValue::Unknown(why) if why.contains("grows beyond 100 kB")), "{key:?}");
}

#[test]
fn snippets_whose_arguments_double_are_an_error() {
    let text = "(a) {\n import a {args[0]}{args[0]}\n}\na.example {\n import a 0123456789\n}\n";
    let error = read(Path::new("Caddyfile"), text, &NoFiles).unwrap_err().to_string();
    assert!(error.contains("arguments of at most 20000 bytes"), "{error}");
    let text = "(a) {\n import b\n import b\n}\n(b) {\n import a\n import a\n}\na.example {\n import a\n}\n";
    let error = read(Path::new("Caddyfile"), text, &NoFiles).unwrap_err().to_string();
    assert!(error.contains("no imports that refer to each other"), "{error}");
}

#[test]
fn a_request_costs_a_bounded_number_of_steps() {
    let many = "  vars a b\n".repeat(60_000);
    let proxy = read(Path::new("Caddyfile"), &format!("a.example {{\n route {{\n{many}  reverse_proxy b:1\n }}\n}}\n"), &NoFiles).unwrap();
    let target = proxy.sites[0].route(&Request::new("GET", "/")).target;
    assert!(matches!(&target, RouteTarget::Unknown(unknown) if unknown.why.contains("more than 50000 steps")), "{target:?}");
}

#[test]
fn texts_over_several_lines_are_one_word() {
    let text = "m.example {\n\trespond /a `{\n\t\"x\": 1\n}` 200\n\trespond /b <<END\n\t{ reverse_proxy no:1\n\tEND 200\n\treverse_proxy /_matrix/* \\\n\t\ta:1\n\treverse_proxy b:2\n}\n";
    let proxy = read(Path::new("Caddyfile"), text, &NoFiles).unwrap();
    assert!(proxy.notes.is_empty(), "{:?}", proxy.notes);
    let route = |target: &str| proxy.sites[0].route(&Request::new("GET", target));
    assert!(matches!(route("/a").target, RouteTarget::Local(_)) && matches!(route("/b").target, RouteTarget::Local(_)));
    assert_eq!(route("/x").rule.unwrap().line, 10);
    assert_eq!(route("/_matrix/x").rule.unwrap().line, 8);
}
