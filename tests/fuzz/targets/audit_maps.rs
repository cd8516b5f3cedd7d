//! Fuzz target: HAProxy's maps and lists.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{route, text};
use wsim_fuzz::files::FewFiles;
use wsim_fuzz::read::haproxy;

const CONFIG: &str = "frontend f
  acl listed path -m reg -f list
  acl begins path_beg -f list
  http-request set-var(txn.a) path,map_reg(map,none)
  http-request set-var(txn.b) path,map_beg(map)
  use_backend %[path,map(map,%[var(txn.a)])] if listed or begins
  use_backend %[var(txn.b)]
backend a
  balance hdr(Authorization)
  server s 127.0.0.1:1
";

fuzz_target!(|data: &[u8]| {
    if let Ok(proxy) = haproxy::read(Path::new("haproxy.cfg"), CONFIG, &FewFiles(vec![text(data)])) {
        route(&proxy);
    }
});
