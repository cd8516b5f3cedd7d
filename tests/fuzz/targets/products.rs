//! Fuzz target: the formats that products ship.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsim_fuzz::drivers::{lines_of, stamps};
use wsim_fuzz::logs::formats::products::Product;

fuzz_target!(|data: &[u8]| {
    for product in [
        Product::NginxProxyManager,
        Product::IngressNginx,
        Product::NginxProxy,
        Product::AnsibleDeploy,
        Product::TcpipukGuide,
        Product::UpstreamLog,
    ] {
        for mut parser in product.parsers(&stamps()) {
            lines_of(parser.as_mut(), data);
        }
    }
});
