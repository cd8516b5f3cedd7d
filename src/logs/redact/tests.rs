use super::*;
use proptest::prelude::*;

const TOKEN: &str = "syt_YWxpY2U_hSsyFQHqpjzBtuMmKRvL_3VVZyc";
/// One of each kind that is recognised by its looks.
const TOKENS: [&str; 13] = [
    TOKEN,
    "syl_hSsyFQHqpjzBtuMmKRvL_3VVZyc",
    "syr_YWxpY2U_hSsyFQHqpjzBtuMmKRvL_3VVZyc",
    "mat_Zk3vR8pQ1xW6yT4uN9mB2cL7sD5fGh_0aB1cD",
    "mct_PpO9iI8uU7yY6tT5rR4eE3wW2qQ1aS_zX9cV8",
    "mpt_aAbB1cC2dD3eE4fF5gG6hH7iI8jJ9k_Qw3rTy",
    "MDAxOGxvY2F0aW9uIGV4YW1wbGUub3JnCjAwMTNpZGVudGlmaWVyIGtleQo",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "q7Rk2Lx9-Wv4Tz8Np_1Hs6Yd3Gf5Jb0KcMe",
    "Zx8kQ2mPq9LrT4vW",
    "aZ3.kQ~9mX-2LrT4",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg",
    "c3l0X1lXeHBZMlVfaFNzeUZRSHFwanpCdHVNbUtSdkxfM1ZWWnlj",
];

#[test]
fn a_token_is_cut_wherever_it_is() {
    for (text, scrubbed) in [
        (format!("/sync?access_token={TOKEN}&since=s1"), "/sync?access_token=<redacted>&since=s1"),
        (format!("/sync?access%5Ftoken={TOKEN}&since=s1"), "/sync?access%5Ftoken=<redacted>&since=s1"),
        (format!("/sync%3Faccess_token%3D{TOKEN}%26since%3Ds1"), "/sync%3Faccess_token%3D<redacted>%26since%3Ds1"),
        (format!("/sync%253F%61ccess%255Ftoken%253D{TOKEN}"), "/sync%253F%61ccess%255Ftoken%253D<redacted>"),
        ("/x?token=a%26b%20c&d=e".to_owned(), "/x?token=<redacted>&d=e"),
        (format!("/join/{TOKEN}/x"), "/join/<redacted>/x"),
        (format!("{{Bearer {TOKEN}|Element/1.11}}"), "{Bearer <redacted>|Element/1.11}"),
        ("auth=Bearer opaque".to_owned(), "auth=Bearer <redacted>"),
        ("auth=Bearer+opaque&x".to_owned(), "auth=Bearer+<redacted>&x"),
        ("Basic dXNlcjpwYXNz x".to_owned(), "Basic <redacted> x"),
        ("/login?loginToken=abc".to_owned(), "/login?loginToken=<redacted>"),
        ("/cb?code=1&state=2".to_owned(), "/cb?code=<redacted>&state=<redacted>"),
        (r#"{"access_token":"abc","x":1}"#.to_owned(), r#"{"access_token":"<redacted>","x":1}"#),
        (r#"{"password" : "two words, a \" quote","x":1}"#.to_owned(), r#"{"password" : "<redacted>","x":1}"#),
        (r#"{\"access\u005ftoken\":\"abc\",\"x\":1}"#.to_owned(), r#"{\"access\u005ftoken\":\"<redacted>\",\"x\":1}"#),
        (r#"{"Authorization":["Bearer x"],"x":1}"#.to_owned(), r#"{"Authorization":[<redacted>],"x":1}"#),
        (r#"X-Matrix origin="a",sig="AbC""#.to_owned(), r#"X-Matrix origin="a",sig="<redacted>""#),
        ("X-Matrix origin=a,key=ed25519:k,sig=AbC/d+e".to_owned(), "X-Matrix origin=a,key=ed25519:k,sig=<redacted>"),
        ("Cookie: a=b; oidc_session=c|x".to_owned(), "Cookie: <redacted>|x"),
        ("/x?app-state=a&auth[code]=b".to_owned(), "/x?app-state=<redacted>&auth[code]=<redacted>"),
        ("access_token: abc".to_owned(), "access_token: <redacted>"),
        ("http://bob:secret@hs.example:80/x".to_owned(), "http://<redacted>@hs.example:80/x"),
        ("bob:secret@hs.example:80".to_owned(), "bob:<redacted>@hs.example:80"),
        ("/_synapse/admin/v1/registration_tokens/welcome?x".to_owned(), "/_synapse/admin/v1/registration_tokens/<redacted>?x"),
        ("/media?X-Amz-Signature=1f&X-Amz-Date=2".to_owned(), "/media?X-Amz-Signature=<redacted>&X-Amz-Date=2"),
        ("syt_YS9i/c_hSsyFQHqpjzBtuMmKRvL_3VVZyc".to_owned(), "<redacted>"),
        (
            format!("/r?redirectUrl=https%3A%2F%2Fapp%2F%3FloginToken%3D{TOKEN}&a=b"),
            "/r?redirectUrl=https%3A%2F%2Fapp%2F%3FloginToken%3D<redacted>&a=b",
        ),
        (format!("/rooms/!room:{TOKEN}"), "/rooms/!room:<redacted>"),
        (format!("@{TOKEN}:x"), "@<redacted>:x"),
        ("@9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08:x".to_owned(), "@<redacted>:x"),
        ("mct_abcdefgh.x".to_owned(), "<redacted>"),
        ("x".repeat(60), "<redacted>"),
    ] {
        assert_eq!(scrub(&text), scrubbed, "{text}");
    }
}

#[test]
fn every_kind_is_cut_in_every_encoding() {
    let escaped = |text: &str, width: usize| -> Vec<String> {
        let escape = |format: fn(u8) -> String| {
            text.bytes()
                .enumerate()
                .map(|(index, byte)| if index % width == 0 { format(byte) } else { char::from(byte).to_string() })
                .collect::<String>()
        };
        vec![
            escape(|byte| format!("%{byte:02X}")),
            escape(|byte| format!("%{byte:02x}")),
            escape(|byte| format!("%25{byte:02X}")),
            escape(|byte| format!("\\u{byte:04x}")),
            escape(|byte| format!("\\u{byte:04X}")),
            escape(|byte| format!("\\x{byte:02X}")),
            escape(|byte| format!("%u{byte:04X}")),
            escape(|byte| format!("\\{byte:03o}")),
            escape(|byte| format!("&#{byte};")),
            escape(|byte| format!("&#x{byte:x};")),
        ]
    };
    for token in TOKENS {
        let mut written = vec![token.to_owned()];
        for width in [1, 2, 5] {
            written.extend(escaped(token, width));
        }
        for text in written {
            for (before, after) in
                [("", ""), ("/a/", "/b"), ("Agent/1 (", ")"), ("10.0.0.1, ", ":80"), ("\"", "\""), ("unix:/run/", ".sock")]
            {
                let line = format!("{before}{text}{after}");
                let scrubbed = scrub(&line);
                // A token may hold dots, so that `.sock` goes with some.
                let whole = [format!("{before}{CUT}{after}"), format!("{before}{CUT}")];
                assert!(whole.iter().any(|whole| *whole == scrubbed), "{line} became {scrubbed}");
            }
        }
    }
}

#[test]
fn text_without_a_secret_stays() {
    for text in [
        "/_matrix/client/v3/rooms/!NPhsp-jxd9SUPO1jeLRVoMIANmMlGMLFGa2jz5PbSpw/state/m.room.name",
        "/_matrix/client/v3/rooms/%21NPhsp-jxd9SUPO1jeLRVoMIANmMlGMLFGa2jz5PbSpw/messages",
        "/_matrix/client/v3/rooms/!a:b/event/$NPhsp-jxd9SUPO1jeLRVoMIANmMlGMLFGa2jz5PbSpw",
        "/_matrix/federation/v1/event/$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk",
        "/_matrix/client/v3/rooms/!a:b/send/m.room.message/hSsyFQHqpjzBtuMmKRvL9",
        "/_matrix/client/v1/media/download/example.org/kGjWqLmRtZbNsXcVfHdPyTrE",
        "/_matrix/federation/v1/media/thumbnail/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "mxc://example.org/kGjWqLmRtZbNsXcVfHdPyTrE",
        "/_matrix/client/v3/devices/QBUAZIFURKXQBUAZIFURKX1",
        "ed25519:Gz3vR8pQ1xW6yT4uN9mB2cL7sD5fGhJkLmNoPqRsTuV",
        "/sync?filter=0&timeout=30000&since=s529_150_118_80_32_3_21_139_0_1_2_1_1_1",
        "s4194303_757284957_13_1234567_2345678_12_3456_78_0_123456_4194303_757284957_13",
        "/messages?dir=b&from=t1-2345_0_0_0&full_state=true",
        "@alice:example.org",
        "@mat_thompson:example.org",
        "@_discord_123456789012345678:example.org",
        "@Zx8kQ2mPq9LrT4vW:example.org",
        "#Zx8kQ2mPq9LrT4vW:example.org",
        "/_synapse/admin/v1/registration_tokens/new",
        "/_synapse/admin/v1/registration_tokens/{token}",
        "/_matrix/client/{version}/rooms/{room}/state/m.room.name/{key}",
        "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync",
        "token:0123456789abcdef",
        "203.0.113.7",
        "2001:db8:85a3:8d3:1319:8a2e:370:7348",
        "unix:/run/matrix-synapse/media_worker1.sock",
        "synapse-generic-worker-federation-reader-7d9f8b6c5d-x2x4z",
        "client_reader/generic_worker1",
        "Element (desktop or browser)",
        "SchildiChat-Android",
        "gomuks/0.4 git-6c8f0a3b5d7e9f1a2b3c4d5e6f708192a3b4c5d6",
        "6f1f2d3a-8b7c-4d5e-9f60-718293a4b5c6",
        "nginx log_format: 200 of 200 sampled lines",
        "--secret-file: no such file",
        "mar_report.log",
        "status code: 404",
        "status_code=404",
        "Basic authentication",
        "Element/1.11 (X11)",
        "",
        "100% %zz ünï",
    ] {
        assert!(matches!(scrub(text), Cow::Borrowed(_)), "{text} became {}", scrub(text));
    }
}

#[test]
fn a_container_keeps_the_start_of_its_id_in_the_name_of_its_log() {
    let id = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    assert_eq!(
        scrub_path(&format!("/var/lib/docker/containers/{id}/{id}-json.log")),
        "/var/lib/docker/containers/9f86d081884c…/9f86d081884c…-json.log"
    );
    assert_eq!(scrub_path("/var/log/nginx/access.log.1.gz"), "/var/log/nginx/access.log.1.gz");
    assert_eq!(scrub_path(&format!("/tmp/{TOKEN}.log")), "/tmp/<redacted>");
}

#[test]
fn what_looks_like_a_secret_beside_a_cut_is_cut_too() {
    // Without the token at its end the first word is random.
    let once = scrub("BearerBearerZx8kQ2mPq9LrT4vWBearerBearertokentokensyt_BearerAtokenA").into_owned();
    assert_eq!(once, "<redacted><redacted>");
    assert_eq!(scrub(&once), once);
}

proptest! {
    #[test]
    fn no_token_survives(before in "[ -~]{0,20}", after in "[ /?&\"][ -~]{0,20}") {
        let text = format!("{before}{TOKEN}{after}");
        prop_assert!(!scrub(&text).contains("hSsyFQHqpjzBtuMmKRvL"), "{}", scrub(&text));
    }

    #[test]
    fn any_text_is_scrubbed_without_a_panic(text: String) {
        let once = scrub(&text).into_owned();
        prop_assert_eq!(scrub(&once).into_owned(), once);
    }

    #[test]
    fn text_of_signs_is_scrubbed_once(text in r#"([%\\"':=&@/!$#_. +-]|%2[256]|token|syt_|Bearer|eyJ|Zx8kQ2mPq9LrT4vW|[a-zA-Z0-9ü]){0,24}"#) {
        let once = scrub(&text).into_owned();
        prop_assert_eq!(scrub(&once).into_owned(), once);
    }
}
