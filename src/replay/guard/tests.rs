//! The table of tricks: targets that a log names in another way, and what lifts which rule.

use std::net::{Ipv4Addr, TcpListener};

use proptest::prelude::*;

use super::*;
use wsim_trace::{Request, Trace};
use wsim_transport::Timeline;

/// A log with users of these servers.
fn log(servers: &[&str]) -> Origin {
    let mut trace = Trace::new();
    for server in servers {
        let user = trace.names.intern(format!("@a:{server}").as_bytes());
        trace.push(Request { user, ..Request::default() });
    }
    trace.seal();
    Origin::Log(ServerNames::of_trace(&trace))
}

/// Options as on a command line: `public`, `unknown`, or a server.
fn overrides(options: &str) -> GuardOverrides {
    let mut overrides = GuardOverrides::default();
    for option in options.split_whitespace() {
        match option {
            "public" => overrides.public_target = true,
            "unknown" => overrides.unknown_origin = true,
            server => overrides.servers.push(Host::read(server.as_bytes()).unwrap()),
        }
    }
    overrides
}

/// The outcome for a target with these addresses, in the order of [`Guard::connector`], as one word.
fn outcome(url: &str, addresses: &[&str], in_log: &[&str], options: &str) -> &'static str {
    let Ok(target) = url.parse::<Target>() else { return "no target" };
    let guard = Guard::new(log(in_log), overrides(options));
    let checked = guard
        .check_origin()
        .and_then(|()| guard.check_name(&target.host))
        .and_then(|()| addresses.iter().try_for_each(|address| guard.check_address(&target.host, address.parse().unwrap())));
    word(checked.err().as_ref())
}

fn word(refusal: Option<&Refusal>) -> &'static str {
    match refusal {
        None => "allowed",
        Some(Refusal::Never { .. }) => "never",
        Some(Refusal::Public { .. }) => "public",
        Some(Refusal::InLog { .. }) => "in log",
        Some(Refusal::UnknownOrigin { .. }) => "unknown",
        Some(Refusal::OtherServer { .. }) => "other",
        Some(Refusal::NoHost { .. }) => "no host",
    }
}

/// Target, its addresses, names in the log, options, outcome.
type Row = (&'static str, &'static [&'static str], &'static [&'static str], &'static str, &'static str);

const PROD: &[&str] = &["prod.example"];
const PRIVATE: &[&str] = &["10.0.0.5"];

const TRICKS: &[Row] = &[
    // Spellings of a name.
    ("http://prod.example", PRIVATE, PROD, "", "in log"),
    ("http://test.example", PRIVATE, PROD, "", "allowed"),
    ("http://PROD.Example", PRIVATE, PROD, "", "in log"),
    ("http://prod.example.", PRIVATE, PROD, "", "in log"),
    ("http://prod.example:8008", PRIVATE, PROD, "", "in log"),
    ("http://prod.example.:8008/base", PRIVATE, PROD, "", "in log"),
    ("https://prod.example", PRIVATE, &["Prod.Example.:8448"], "", "in log"),
    ("http://xn--bcher-kva.example", PRIVATE, &["bücher.example"], "", "in log"),
    ("http://XN--BCHER-KVA.example.", PRIVATE, &["BÜCHER.example"], "", "in log"),
    ("http://bücher.example", PRIVATE, &["xn--bcher-kva.example"], "", "no target"),
    ("http://prod.example", PRIVATE, &["ｐｒｏｄ。example"], "", "in log"),
    ("http://prod.example@10.0.0.5", PRIVATE, PROD, "", "no target"),
    ("http://synapse:8008", PRIVATE, &["synapse"], "", "in log"),
    ("http://SYNAPSE.", PRIVATE, &["synapse:8448"], "", "in log"),
    ("http://prod", PRIVATE, PROD, "", "in log"),
    ("http://pro", PRIVATE, PROD, "", "allowed"),
    ("http://notprod.example", PRIVATE, PROD, "", "allowed"),
    ("http://test.prod.example", PRIVATE, PROD, "", "allowed"),
    ("http://prod.example.test", PRIVATE, PROD, "", "allowed"),
    // Addresses in the log.
    ("http://10.0.0.5", PRIVATE, &["10.0.0.5"], "", "in log"),
    ("http://test.example", PRIVATE, &["10.0.0.5:8448"], "", "in log"),
    ("http://test.example", &["10.0.0.4", "10.0.0.5"], &["10.0.0.5"], "", "in log"),
    ("http://0xa000005", PRIVATE, &["10.0.0.5"], "", "in log"),
    ("http://012.0.0.5", PRIVATE, &["10.0.0.5"], "", "in log"),
    ("http://167772165", PRIVATE, &["10.0.0.5"], "", "in log"),
    ("http://10.5", PRIVATE, &["10.0.0.5"], "", "in log"),
    ("http://[::ffff:10.0.0.5]", &["::ffff:10.0.0.5"], &["10.0.0.5"], "", "in log"),
    ("http://[::ffff:a00:5]", &["::ffff:10.0.0.5"], &["[::ffff:10.0.0.5]:8448"], "", "in log"),
    ("http://10.0.0.5", PRIVATE, &["[::ffff:a00:5]"], "", "in log"),
    ("http://[fd00::1]", &["fd00::1"], &["[FD00:0::0001]:8448"], "", "in log"),
    ("http://[64:ff9b::10.0.0.5]", &["64:ff9b::a00:5"], &["10.0.0.5"], "public", "in log"),
    ("http://10.0.0.6", &["10.0.0.6"], &["10.0.0.5"], "", "allowed"),
    // This machine.
    ("http://localhost:8008", &["127.0.0.1"], PROD, "", "allowed"),
    ("http://localhost:8008", &["127.0.0.1"], &["localhost"], "", "in log"),
    ("http://127.0.0.1:8008", &["127.0.0.1"], &["localhost:8008"], "", "in log"),
    ("http://localhost", &["::1"], &["127.0.0.1"], "", "in log"),
    ("http://127.1", &["127.0.0.1"], &["[::1]"], "", "in log"),
    ("http://test.example", &["127.0.0.1"], &["localhost"], "", "in log"),
    ("http://127.0.0.1", &["127.0.0.1"], &["localhost"], "LOCALHOST.", "allowed"),
    // Public addresses.
    ("http://test.example", &["8.8.8.8"], PROD, "", "public"),
    ("http://test.example", &["10.0.0.1", "2606:4700::1"], PROD, "", "public"),
    ("http://134744072", &["8.8.8.8"], PROD, "", "public"),
    ("http://[::ffff:8.8.8.8]", &["::ffff:8.8.8.8"], PROD, "", "public"),
    ("http://test.example", &["100.64.0.1"], PROD, "", "public"),
    ("http://test.example", &["8.8.8.8"], PROD, "public", "allowed"),
    ("http://prod.example", &["8.8.8.8"], PROD, "public", "in log"),
    ("http://test.example", &["8.8.8.8"], PROD, "unknown prod.example", "public"),
    // Addresses that nothing lifts.
    ("http://169.254.169.254", &["169.254.169.254"], PROD, "public unknown", "never"),
    ("http://2852039166", &["169.254.169.254"], PROD, "public 169.254.169.254", "never"),
    ("http://[::ffff:a9fe:a9fe]", &["::ffff:169.254.169.254"], PROD, "public", "never"),
    ("http://metadata.example", &["169.254.169.254"], PROD, "public", "never"),
    ("http://metadata.example", &["10.0.0.1", "fd00:ec2::254"], PROD, "public", "never"),
    ("http://0.0.0.0:8008", &["0.0.0.0"], PROD, "public", "never"),
    ("http://0", &["0.0.0.0"], PROD, "public", "never"),
    ("http://[::]", &["::"], PROD, "public", "never"),
    ("http://[fe80::1]", &["fe80::1"], PROD, "public", "never"),
    ("http://224.0.0.1", &["224.0.0.1"], PROD, "public", "never"),
    ("http://[ff02::1]", &["ff02::1"], PROD, "public", "never"),
    // Each option lifts one rule.
    ("http://prod.example", PRIVATE, PROD, "prod.example", "allowed"),
    ("http://prod.example", PRIVATE, PROD, "Prod.Example.:8448", "allowed"),
    ("http://prod.example", PRIVATE, PROD, "other.example", "in log"),
    ("http://prod.example", PRIVATE, &["prod.example", "10.0.0.5"], "prod.example", "in log"),
    ("http://prod.example", PRIVATE, &["prod.example", "10.0.0.5"], "prod.example 10.5", "allowed"),
    ("http://prod", PRIVATE, &["prod.example", "prod.other"], "prod.example", "in log"),
    ("http://prod.example", PRIVATE, PROD, "unknown public", "in log"),
    ("http://test.example", PRIVATE, &[], "", "unknown"),
    ("http://127.0.0.1", &["127.0.0.1"], &[], "", "unknown"),
    ("http://test.example", PRIVATE, &[], "public test.example", "unknown"),
    ("http://test.example", PRIVATE, &[], "unknown", "allowed"),
    ("http://test.example", &["8.8.8.8"], &[], "unknown", "public"),
    ("http://test.example", PRIVATE, &["s-0123456789abcdef"], "", "unknown"),
];

#[test]
fn every_trick_has_its_outcome() {
    assert!(TRICKS.len() >= 40);
    for (url, addresses, in_log, options, expected) in TRICKS {
        assert_eq!(outcome(url, addresses, in_log, options), *expected, "{url} at {addresses:?}, log of {in_log:?}, options {options:?}");
    }
}

#[test]
fn what_is_not_a_log_has_its_own_rules() {
    let check = |origin, options| word(Guard::new(origin, overrides(options)).check_origin().err().as_ref());
    assert_eq!((check(Origin::Anonymised, ""), check(Origin::Anonymised, "unknown")), ("unknown", "allowed"));
    assert_eq!((check(Origin::World, ""), check(Origin::OwnServer, "")), ("allowed", "allowed"));
    let own = Guard::new(Origin::OwnServer, GuardOverrides::default());
    assert_eq!(word(own.check_address("x", "127.0.0.1".parse().unwrap()).err().as_ref()), "allowed");
    assert_eq!(word(own.check_address("x", "10.0.0.5".parse().unwrap()).err().as_ref()), "public");
    let world = Guard::new(Origin::World, GuardOverrides::default());
    assert_eq!(word(world.check_address("x", "8.8.8.8".parse().unwrap()).err().as_ref()), "public");
    assert_eq!(word(same_server("a.example", "A.example.:443").err().as_ref()), "allowed");
    assert_eq!(word(same_server("a.example", "b.example").err().as_ref()), "other");
    assert_eq!(word(same_server("", "b.example").err().as_ref()), "allowed");
}

#[test]
fn a_refusal_names_the_option_that_lifts_it() {
    let guard = Guard::new(log(&["prod.example"]), GuardOverrides::default());
    let text = |refusal: Result<(), Refusal>| refusal.unwrap_err().to_string();
    let in_log = text(guard.check_name("PROD.example:1"));
    assert!(in_log.starts_with("prod.example is in the log") && in_log.ends_with("--allow-server prod.example"), "{in_log}");
    assert!(text(guard.check_name("prod")).contains("(the target is prod)"));
    assert!(text(guard.check_address("x", "8.8.8.8".parse().unwrap())).contains("--allow-public-target"));
    assert!(text(guard.check_address("x", "0.0.0.0".parse().unwrap())).contains("whatever the options"));
    assert!(text(Guard::new(log(&[]), GuardOverrides::default()).check_origin()).contains("--allow-unknown-origin"));
}

/// A port of this machine at which nobody answers.
fn port() -> (u16, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    (listener.local_addr().unwrap().port(), listener)
}

/// Connections so far; the kernel completes them without the listener.
fn connections(listener: &TcpListener) -> usize {
    std::iter::from_fn(|| listener.accept().ok()).count()
}

#[tokio::test]
async fn a_connector_uses_the_addresses_that_were_checked_and_no_others() {
    let (port, listener) = port();
    // As if the name had another address by now: the connector does not look it up again.
    let target: Target = format!("http://rebound.invalid:{port}").parse().unwrap();
    let connector = Connector::to_addresses(target.clone(), vec![([127, 0, 0, 1], port).into()], TransportConfig::default()).unwrap();
    let connection = connector.open(&mut Timeline::default()).await.unwrap();
    assert_eq!((connector.addresses().len(), connections(&listener)), (1, 1));
    drop(connection);
    assert!(matches!(
        Guard::new(log(PROD), GuardOverrides::default()).connector(target, TransportConfig::default()).await,
        Err(GuardError::Connector(ConnectorError::Lookup { .. }))
    ));
}

#[tokio::test]
async fn a_refused_target_is_not_connected_to() {
    let (port, listener) = port();
    for (host, in_log) in [("127.0.0.1", &["localhost"][..]), ("localhost", &["127.0.0.1"]), ("2130706433", &["[::1]"]), ("127.0.0.1", &[])]
    {
        let target = format!("http://{host}:{port}").parse().unwrap();
        let refused = Guard::new(log(in_log), GuardOverrides::default()).connector(target, TransportConfig::default()).await;
        assert!(matches!(refused, Err(GuardError::Refused(_))), "{host}: {refused:?}");
    }
    assert_eq!(connections(&listener), 0);
}

/// Another spelling of a name of ASCII letters: the case of each letter, percent-encoding, full width, a dot at the end, a port.
fn respelled(name: &str, choices: &[u8], tail: u8) -> String {
    let mut text = String::new();
    for (letter, choice) in name.chars().zip(choices.iter().cycle()) {
        match choice % 4 {
            0 => text.push(letter.to_ascii_uppercase()),
            1 => text += &format!("%{:02x}", letter as u32),
            2 if letter.is_ascii_graphic() => text.push(char::from_u32(letter as u32 + 0xfee0).unwrap()),
            _ => text.push(letter),
        }
    }
    text + ["", ".", ":8448", ".:443"][usize::from(tail % 4)]
}

/// A spelling of an IPv4 address.
fn address_spelled(address: Ipv4Addr, choice: u8) -> String {
    let [a, b, c, d] = address.octets();
    let whole = u32::from(address);
    match choice % 8 {
        0 => whole.to_string(),
        1 => format!("{whole:#x}"),
        2 => format!("0{whole:o}"),
        3 => format!("{a:#x}.0{b:o}.{}", u32::from(c) << 8 | u32::from(d)),
        4 => format!("{a}.{}", whole & 0xff_ffff),
        5 => format!("[::ffff:{address}]:8448"),
        6 => format!("[::ffff:{:x}:{:x}]", whole >> 16, whole & 0xffff),
        _ => format!("{address}."),
    }
}

proptest! {
    #[test]
    fn a_name_is_refused_in_every_spelling(
        name in "[a-z]{1,8}(\\.[a-z]{2,6}){0,2}", one: [u8; 8], other: [u8; 8], tails: (u8, u8),
    ) {
        prop_assume!(!Host::read(name.as_bytes()).unwrap().is_this_machine());
        let (logged, asked) = (respelled(&name, &one, tails.0), respelled(&name, &other, tails.1));
        let guard = Guard::new(log(&[&logged]), GuardOverrides::default());
        prop_assert_eq!(word(guard.check_name(&asked).err().as_ref()), "in log", "{} and {}", logged, asked);
        let allowed = Guard::new(log(&[&logged]), overrides(&asked));
        prop_assert_eq!(word(allowed.check_name(&name).err().as_ref()), "allowed");
    }

    #[test]
    fn an_address_is_refused_in_every_spelling(bits: u32, one: u8, other: u8) {
        let address = Ipv4Addr::from(0x0a00_0000 | (bits & 0xff_ffff));
        let (logged, asked) = (address_spelled(address, one), address_spelled(address, other));
        let guard = Guard::new(log(&[&logged]), GuardOverrides::default());
        prop_assert_eq!(word(guard.check_name(&asked).err().as_ref()), "in log", "{} and {}", logged, asked);
        prop_assert_eq!(word(guard.check_address("x", address.into()).err().as_ref()), "in log");
        prop_assert_eq!(word(guard.check_address("x", address.to_ipv6_mapped().into()).err().as_ref()), "in log");
    }
}
