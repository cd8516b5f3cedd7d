//! Fuzz target: an nginx format with every kind of variable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::nginx::LogFormat,
};

const RICH: &str = r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time uct=$upstream_connect_time uht=$upstream_header_time urt=$upstream_response_time ua=$upstream_addr us=$upstream_status user=$uhash grp=$grp rl=$request_length conn=$connection/$connection_requests tls=$ssl_protocol rid=$request_id"#;

fuzz_target!(|data: &[u8]| lines(
    || Box::new(LogFormat::parse(RICH).expect("the format compiles").parser("rich", stamps()).expect("the format makes a parser")),
    data
));
