//! Tests of the reading of Synapse's lines.

use proptest::prelude::*;

use super::*;
use crate::formats::synapse_eras::ERAS;
use crate::formats::testing::{malformed, request, stamps, tally, text};
use crate::{Record, StampMeaning, Zone};

fn parser() -> Synapse {
    Synapse::new(stamps())
}

/// A record in one line, so that a test shows all of it. Times in µs, stamp without its date.
fn described(record: &Record<'_>) -> String {
    let text = |bytes: Option<&[u8]>| bytes.map_or("?".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned());
    let cost = record.cost.unwrap();
    format!(
        "{} {} {} {}{} {}+{} cpu {}+{} db {}/{}/{} {} events {} B from {} at {} for {} by {} in {}",
        record.stamp.map_or("?".to_owned(), |stamp| {
            let day = stamp.micros.rem_euclid(86_400_000_000) / 1000;
            format!("{:02}:{:02}:{:02}.{:03}", day / 3_600_000, day / 60_000 % 60, day / 1000 % 60, day % 1000)
        }),
        text(record.request_id),
        text(Some(record.method)),
        record.status,
        if record.aborted { "!" } else { "" },
        record.wall_us.unwrap(),
        record.send_us.map_or("?".to_owned(), |send| send.to_string()),
        cost.cpu_user_us,
        cost.cpu_system_us,
        cost.db_sched_us,
        cost.db_txn_us,
        cost.db_count,
        cost.events,
        record.bytes_sent.unwrap(),
        text(record.address),
        text(record.site),
        text(record.user.as_deref()),
        text(record.agent.as_deref()),
        text(record.process),
    )
}

fn outcome(line: &str) -> String {
    match parser().parse(line.as_bytes()) {
        Line::Request(record) => described(&record),
        Line::NotRequest => "not a request".to_owned(),
        Line::Malformed(malformed) => format!("malformed at {}: {}", malformed.column, malformed.expected),
    }
}

#[test]
fn every_era_is_read() {
    for (line, expected) in ERAS {
        assert_eq!(outcome(line), expected, "{line}");
    }
}

#[test]
fn the_target_is_as_received_and_arrival_is_reconstructed() {
    let mut parser = parser();
    let record = request(&mut parser, ERAS[0].0);
    assert_eq!(text(&record.target), "/_matrix/client/v3/sync?filter=0&timeout=30000&since=s72594_4483_1934");
    // 09:15:42.118 - 30.004 s - 0.001 s
    assert_eq!(record.arrival_us().map(|at| at.rem_euclid(86_400_000_000)), Some(33_312_113_000));
    let record = request(&mut parser, ERAS[8].0);
    assert_eq!(record.arrival_us().map(|at| at.rem_euclid(86_400_000_000)), Some(36_000_388_000), "a negative SEND is not added");
    let record = request(&mut parser, ERAS[11].0);
    assert!(text(&record.target).ends_with("token=abc&client_secret=<redacted>&sid=xyz"));
}

#[test]
fn a_stamp_is_in_the_zone_of_the_process() {
    let mut berlin = Synapse::new(StampReader::new(Zone::parse("Europe/Berlin").unwrap()));
    let there = request(&mut berlin, ERAS[0].0).stamp.unwrap();
    let here = request(&mut parser(), ERAS[0].0).stamp.unwrap();
    assert_eq!(here.micros - there.micros, 2 * 3_600_000_000);
    assert_eq!((here.resolution_us, here.meaning), (1000, StampMeaning::End));
}

#[test]
fn any_prefix_is_accepted() {
    let expect = |prefix: &str, beginning: &str, process: &str| {
        let actual = outcome(&format!("{prefix}{MESSAGE}"));
        assert!(actual.starts_with(beginning) && actual.ends_with(&format!(" in {process}")), "{prefix}: {actual}");
    };
    expect("", "? ? GET 200", "?");
    expect("2026-07-01 09:15:42,118 - ", "09:15:42.118 ? GET", "?");
    expect("2026-07-01 09:15:42 INFO [synapse.access.http.8008] GET-7 - ", "09:15:42.000 7 GET", "?");
    expect("synapse_main | 2026-07-01 09:15:42,118 - synapse.access.http.8008 - 1 - INFO - GET-7 - ", "09:15:42.118 7 GET", "synapse_main");
    expect(
        "matrix-1  | synapse_reader2 | 2026-07-01 09:15:42,118 - synapse.access.http.8008 - 1 - INFO - GET-7 - ",
        "09:15:42.118 7",
        "synapse_reader2",
    );
    expect(
        "2026-07-01T09:15:43.5Z stdout F 2026-07-01 09:15:42,118 - synapse.access.http.8008 - 1 - INFO - GET-7 - ",
        "09:15:42.118 7",
        "?",
    );
    expect("Jul 01 09:15:42 host matrix-synapse[977]: synapse.access.http.8008: [GET-7] ", "? 7 GET", "matrix-synapse");
    expect("2026-07-01T09:15:42.118Z host python3[977]: synapse.access.http.8008: [GET-7] ", "09:15:42.118 7 GET", "?");
    expect("2026-07-01T11:15:42.118+0200 host reader1[977]: synapse.access.http.8008: [GET-7] ", "09:15:42.118 7 GET", "reader1");
    expect(
        "2026-07-01 09:15:42,118 - synapse.access.http.8008 - 1 - INFO - GET-id with - dashes - ",
        "09:15:42.118 id with - dashes GET",
        "?",
    );
    expect("2026-07-01 09:15:42,118 - synapse.access.http.my tag - 1 - INFO - GET-7 - ", "09:15:42.118 7 GET", "?");
}

#[test]
fn quotes_and_brackets_of_clients_do_not_move_the_ends() {
    for agent in [
        r#"a"b\c"#,
        r#"gomuks "quoted""#,
        r#"x" [7 dbevts]"#,
        "x] [y] [0 dbevts",
        r#"" "" ""#,
        "1.2.3.4 - 8008 - {None} Processed request: 0.001sec",
    ] {
        let line = HOSTILE.replace("AGENT", agent);
        let mut parser = parser();
        let record = request(&mut parser, &line);
        assert_eq!(text(record.agent.as_deref().unwrap()), agent);
        assert_eq!(text(&record.target), r#"/_matrix/client/v3/rooms/!a%22b"c:x/messages?x="y""#);
        assert_eq!(record.cost.unwrap().events, 3);
    }
}

#[test]
fn a_forged_address_does_not_hide_its_request() {
    let forged = "1.2.3.4 - 8008 - {None} Processed request: 0.001sec/0.001sec";
    let line = format!("2026-07-01 09:15:42,118 - synapse.access.http.8008 - 1 - INFO - GET-7 - {forged}{MESSAGE}");
    assert!(outcome(&line).contains("@alice:example.org"), "{}", outcome(&line));
    let flood = format!("2026-07-01 09:15:42,118 - synapse.access.http.8008 - 1 - INFO - GET-7 - {}", forged.repeat(2000));
    assert!(outcome(&flood).starts_with("malformed"));
}

#[test]
fn two_lines_in_one_are_malformed() {
    let (line, _) = ERAS[0];
    let cut = line.find("/client").unwrap();
    let merged = format!("{}{line}", &line[..cut]);
    assert_eq!(outcome(&merged), "malformed at 0: one access message in the line");
}

#[test]
fn a_date_that_does_not_exist_is_malformed() {
    assert_eq!(outcome(&ERAS[14].0.replace("-07-", "-17-")), "malformed at 17: a date and a time of day that exist");
}

#[test]
fn other_lines_are_no_requests() {
    for line in [
        "",
        "   ",
        "Traceback (most recent call last):",
        r#"  File "/srv/synapse/http/site.py", line 729, in requestReceived"#,
        "2026-11-20 16:53:19,655 - synapse.config.logger - 377 - WARNING - main - ***** STARTING SERVER *****",
        "2026-11-20 16:53:22,664 - synapse.storage.background_updates - 643 - INFO - x-0 - Processed 0 items in 2ms. (total_rate=None/ms)",
        "2026-11-20 16:53:22,664 - synapse.http.site - 643 - INFO - GET-1 - Connection from client lost before response was sent",
        "2026-11-20 16:53:22,664 - synapse.config.logger - 1 - INFO - main - loggers: synapse.access.http.8008",
        "2026-07-01 09:15:42,118 - synapse.access.http.8008 - 1 - DEBUG - GET-90 - 203.0.113.7 - 8008 - Received request: GET /x",
        "2026-07-01 09:15:42,118 - twisted - 1 - CRITICAL - sentinel - {None} Processed request: and so on",
    ] {
        assert_eq!(outcome(line), "not a request", "{line}");
    }
    for logger in ["synapse.http.server", "twisted", "py.warnings"] {
        let quoting = format!("2026-07-01 09:15:42,118 - {logger} - 1 - INFO - GET-7 - {MESSAGE}");
        assert_eq!(outcome(&quoting), "not a request", "{quoting}");
    }
    assert_eq!(outcome(&format!("Jul 01 09:15:42 host synapse[1]: synapse.http.server: [GET-7] {MESSAGE}")), "not a request");
}

#[test]
fn an_access_line_truncated_anywhere_is_malformed() {
    let (line, _) = ERAS[0];
    let named = line.find("synapse.access.").unwrap() + "synapse.access.".len();
    // Behind the request nothing is missing that is needed.
    for end in (named..line.len()).filter(|end| !line[..*end].trim_end().ends_with("HTTP/1.1\"")) {
        let Line::Malformed(malformed) = parser().parse(&line.as_bytes()[..end]) else { panic!("{}", &line[..end]) };
        assert!(malformed.column <= end, "{malformed:?} of {end}");
    }
    for end in 0..named {
        assert_eq!(outcome(&line[..end]), "not a request", "{}", &line[..end]);
    }
}

#[test]
fn the_rest_of_a_truncated_line_is_malformed() {
    let (line, _) = ERAS[0];
    let processed = line.find(" Processed").unwrap();
    for start in processed..line.len() - " dbevts]".len() {
        assert_eq!(outcome(&line[start..]), "malformed at 0: the start of the access message");
    }
}

#[test]
fn a_broken_message_names_what_is_missing_and_where() {
    let broken = |from: &str, to: &str| {
        let line = MESSAGE.replace(from, to);
        let malformed = malformed(&mut parser(), &line);
        format!("{} before `{}`", malformed.expected, line[malformed.column..].split(' ').next().unwrap())
    };
    assert_eq!(broken("30.004sec/", "30.004/"), "a duration before `30.004/0.001sec`");
    assert_eq!(broken("ru=(", "ru=["), "the CPU times in brackets before `[0.004sec,`");
    assert_eq!(broken("412B", "B"), "a number before `B`");
    assert_eq!(broken("200", "HTTPStatus.WHAT"), "a status before `HTTPStatus.WHAT`");
    assert_eq!(broken(" [2 dbevts]", ""), "the count of events in brackets before ``");
    assert_eq!(broken("[2 dbevts]", "[x dbevts]"), "the count of events in brackets before ``");
    let logged = format!("2026-07-01 09:15:42,118 - synapse.access.http.8008 - 1 - INFO - GET-7 - {MESSAGE}");
    let unnamed = logged.replace("{@alice:example.org}", "alice");
    let column = unnamed.find(" Processed").unwrap();
    assert_eq!(malformed(&mut parser(), &unnamed), Malformed { expected: "a requester in braces", column });
}

#[test]
fn a_request_unreadable_to_twisted_is_a_request() {
    let broken = |request: &str| {
        let line = MESSAGE.replace("GET /x HTTP/1.1", request);
        let mut parser = parser();
        let record = super::super::testing::request(&mut parser, &line);
        (text(record.method), text(&record.target))
    };
    assert_eq!(broken("GET /x (no clientproto yet)"), ("GET".to_owned(), "/x".to_owned()));
    assert_eq!(broken("(no method yet) (no uri yet) (no clientproto yet)"), (String::new(), String::new()));
    assert_eq!(broken(""), (String::new(), String::new()));
}

#[test]
fn the_samples_add_up() {
    for (sample, requests, not_requests) in [
        (&include_bytes!("../../../../samples/synapse-main.log")[..], 21, 40),
        (&include_bytes!("../../../../samples/synapse-worker.log")[..], 28, 6),
    ] {
        assert_eq!(tally(&mut parser(), sample), (requests, not_requests, 0));
    }
}

proptest! {
    #[test]
    fn every_line_of_a_mix_is_one_of_three(lines in prop::collection::vec((0..3u8, 0..ERAS.len(), 0usize..100), 0..30)) {
        let (mut log, mut expected) = (Vec::new(), (0, 0, 0));
        for (kind, era, cut) in lines {
            let line = ERAS[era].0;
            let is_arrival = line.contains("Received request");
            match kind {
                0 if !is_arrival => (log.extend_from_slice(line.as_bytes()), expected.0 += 1),
                1 if !is_arrival => (log.extend_from_slice(&line.as_bytes()[..60 + cut]), expected.2 += 1),
                2 => (log.extend_from_slice(&b"  File \"/srv/synapse/access.py\", line 1, in {x} Processed"[..cut.min(50)]), expected.1 += 1),
                _ => (log.extend_from_slice(ERAS[17].0.as_bytes()), expected.1 += 1),
            };
            log.push(b'\n');
        }
        if !log.is_empty() {
            prop_assert_eq!(tally(&mut parser(), &log), expected);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(noise in prop::collection::vec(any::<u8>(), 0..120), era in 0..ERAS.len(), at in 0usize..400, cut in 0usize..40) {
        let mut line = ERAS[era].0.as_bytes().to_vec();
        let at = at.min(line.len());
        let cut = at..(at + cut).min(line.len());
        line.splice(cut, noise.iter().copied());
        for line in [&line[..], &noise[..], &line[at..]] {
            if let Line::Malformed(malformed) = parser().parse(line) {
                prop_assert!(malformed.column <= line.len());
            }
        }
    }

    #[test]
    fn any_agent_is_read_unchanged(agent in "[ -~é]{1,60}") {
        let line = HOSTILE.replace("AGENT", &agent);
        let mut parser = parser();
        let record = request(&mut parser, &line);
        prop_assert_eq!(record.agent.as_deref().map_or("-".to_owned(), text), agent);
    }
}

const MESSAGE: &str = r#"203.0.113.7 - 8008 - {@alice:example.org} Processed request: 30.004sec/0.001sec ru=(0.004sec, 0.000sec) db=(0.000sec/0.006sec/3) 412B 200 "GET /x HTTP/1.1" "Element" [2 dbevts]"#;
const HOSTILE: &str = r#"2026-07-01 09:15:42,118 - synapse.access.http.8008 - 1 - INFO - GET-7 - 203.0.113.7 - 8008 - {None} Processed request: 0.011sec/0.003sec ru=(0.003sec, 0.000sec) db=(0.011sec/0.003sec/1) 60B 401 "GET /_matrix/client/v3/rooms/!a%22b"c:x/messages?x="y" HTTP/1.1" "AGENT" [3 dbevts]"#;
