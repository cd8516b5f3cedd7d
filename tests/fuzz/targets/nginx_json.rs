//! Fuzz target: an nginx JSON format that is known.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::{
    drivers::{lines, stamps},
    logs::formats::nginx_json::NginxJson,
};

const JSON: &str = r#"escape=json {"ts":"$msec","uri":"$request_uri","method":"$request_method","status":$status,"rt":$request_time,"urt":"$upstream_response_time","ua":"$upstream_addr"}"#;

fuzz_target!(|data: &[u8]| lines(|| Box::new(NginxJson::from_log_format(JSON, stamps()).expect("the format compiles")), data));
