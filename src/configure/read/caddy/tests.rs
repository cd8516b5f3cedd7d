use std::path::Path;

use super::*;
use crate::configure::read::files::NoFiles;
use crate::configure::read::model::{Answer, Request};

fn goes(proxy: &Proxy, method: &str, target: &str) -> String {
    match proxy.sites[0].route(&Request::new(method, target)).answer {
        Answer::Pool(index) => proxy.pools[index].name.clone(),
        Answer::Local(what) => format!("local: {what}"),
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
