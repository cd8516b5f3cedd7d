//! One access line of each era of Synapse, for the tests of its parsers.

/// One line of each era, and the expected record.
pub(super) const ERAS: [(&str, &str); 25] = [
    // ≥1.150.0, client /sync long poll, puppet-free user
    (
        r#"2026-07-01 09:15:42,118 - synapse.access.http.8083 - 641 - INFO - GET-48213 - 203.0.113.7 - 8083 - {@alice:example.org} Processed request: 30.004sec/0.001sec ru=(0.004sec, 0.000sec) db=(0.000sec/0.006sec/3) 412B 200 "GET /_matrix/client/v3/sync?filter=0&timeout=30000&since=s72594_4483_1934 HTTP/1.1" "Element/1.11.99 (iPhone; iOS 17.5)" [0 dbevts]"#,
        "09:15:42.118 48213 GET 200 30004000+1000 cpu 4000+0 db 0/6000/3 0 events 412 B from 203.0.113.7 at 8083 for @alice:example.org by Element/1.11.99 (iPhone; iOS 17.5) in ?",
    ),
    // 1.43.0 to 1.149.x, same
    (
        r#"2023-02-14 18:00:01,502 - synapse.access.http.8008 - 460 - INFO - GET-91 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 0.087sec/0.002sec (0.021sec, 0.003sec) (0.001sec/0.034sec/9) 15320B 200 "GET /_matrix/client/v3/sync?timeout=0 HTTP/1.1" "matrix-js-sdk" [12 dbevts]"#,
        "18:00:01.502 91 GET 200 87000+2000 cpu 21000+3000 db 1000/34000/9 12 events 15320 B from 203.0.113.7 at 8008 for @alice:example.org by matrix-js-sdk in ?",
    ),
    // unauthenticated: the literal word None
    (
        r#"2023-02-14 18:00:01,640 - synapse.access.http.8008 - 460 - INFO - GET-92 - 198.51.100.20 - 8008 - {None} Processed request: 0.001sec/0.000sec (0.001sec, 0.000sec) (0.000sec/0.000sec/0) 1042B 200 "GET /_matrix/client/versions HTTP/1.1" "-" [0 dbevts]"#,
        "18:00:01.640 92 GET 200 1000+0 cpu 1000+0 db 0/0/0 0 events 1042 B from 198.51.100.20 at 8008 for ? by ? in ?",
    ),
    // federation: origin server name
    (
        r#"2023-02-14 18:00:02,007 - synapse.access.http.8448 - 460 - INFO - PUT-1000 - 192.0.2.10 - 8448 - {remote.example.net} Processed request: 0.103sec/-0.000sec (0.012sec, 0.001sec) (0.001sec/0.090sec/3) 11B 200 "PUT /_matrix/federation/v1/send/1600000000000 HTTP/1.1" "Synapse/1.76.0" [0 dbevts]"#,
        "18:00:02.007 1000 PUT 200 103000+0 cpu 12000+1000 db 1000/90000/3 0 events 11 B from 192.0.2.10 at 8448 for remote.example.net by Synapse/1.76.0 in ?",
    ),
    // puppet, 1.43.0 on: authenticator|controlled user
    (
        r#"2024-05-02 10:00:00,001 - synapse.access.http.8008 - 465 - INFO - POST-7001 - 203.0.113.9 - 8008 - {@admin:example.org|@bob:example.org} Processed request: 0.054sec/0.001sec (0.010sec, 0.002sec) (0.000sec/0.022sec/6) 2B 200 "POST /_matrix/client/v3/rooms/!abc%3Aexample.org/leave HTTP/1.1" "curl/8.5.0" [1 dbevts]"#,
        "10:00:00.001 7001 POST 200 54000+1000 cpu 10000+2000 db 0/22000/6 1 events 2 B from 203.0.113.9 at 8008 for @bob:example.org by curl/8.5.0 in ?",
    ),
    // puppet, 1.32.0 to 1.42.x: a full stop between the two
    (
        r#"2021-06-02 10:00:00,001 - synapse.access.http.8008 - 405 - INFO - POST-7001 - 203.0.113.9 - 8008 - {@admin:example.org.@bob:example.org} Processed request: 0.054sec/0.001sec (0.010sec, 0.002sec) (0.000sec/0.022sec/6) 2B 200 "POST /_matrix/client/r0/join/!abc%3Aexample.org HTTP/1.1" "curl/7.74.0" [1 dbevts]"#,
        "10:00:00.001 7001 POST 200 54000+1000 cpu 10000+2000 db 0/22000/6 1 events 2 B from 203.0.113.9 at 8008 for @bob:example.org by curl/7.74.0 in ?",
    ),
    // puppet, 1.23.0 to 1.31.x: a comma
    (
        r#"2021-01-02 10:00:00,001 - synapse.access.http.8008 - 322 - INFO - POST-7001 - 203.0.113.9 - 8008 - {@admin:example.org,@bob:example.org} Processed request: 0.054sec/0.001sec (0.010sec, 0.002sec) (0.000sec/0.022sec/6) 2B 200 "POST /_matrix/client/r0/join/!abc%3Aexample.org HTTP/1.1" "curl/7.74.0" [1 dbevts]"#,
        "10:00:00.001 7001 POST 200 54000+1000 cpu 10000+2000 db 0/22000/6 1 events 2 B from 203.0.113.9 at 8008 for @bob:example.org by curl/7.74.0 in ?",
    ),
    // application service acting as one of its users (no second name)
    (
        r#"2024-05-02 10:00:00,230 - synapse.access.http.8008 - 465 - INFO - PUT-7002 - 127.0.0.1 - 8008 - {@irc_carol:example.org} Processed request: 0.061sec/0.000sec (0.015sec, 0.001sec) (0.000sec/0.030sec/5) 59B 200 "PUT /_matrix/client/v3/rooms/!abc:example.org/send/m.room.message/1714644000230?user_id=%40irc_carol%3Aexample.org&access_token=<redacted> HTTP/1.1" "matrix-appservice-bridge" [0 dbevts]"#,
        "10:00:00.230 7002 PUT 200 61000+0 cpu 15000+1000 db 0/30000/5 0 events 59 B from 127.0.0.1 at 8008 for @irc_carol:example.org by matrix-appservice-bridge in ?",
    ),
    // client went away before the response was sent: ! and a negative send time
    (
        r#"2024-05-02 10:00:41,900 - synapse.access.http.8083 - 465 - INFO - GET-7003 - 203.0.113.7 - 8083 - {@alice:example.org} Processed request: 41.512sec/-11.004sec (0.300sec, 0.020sec) (0.010sec/2.400sec/120) 0B 200! "GET /_matrix/client/v3/sync HTTP/1.1" "Element" [0 dbevts]"#,
        "10:00:41.900 7003 GET 200! 41512000+-11004000 cpu 300000+20000 db 10000/2400000/120 0 events 0 B from 203.0.113.7 at 8083 for @alice:example.org by Element in ?",
    ),
    // cancelled request (1.60.0 on)
    (
        r#"2024-05-02 10:01:00,000 - synapse.access.http.8083 - 465 - INFO - GET-7004 - 203.0.113.7 - 8083 - {@alice:example.org} Processed request: 5.011sec/-0.001sec (0.100sec, 0.010sec) (0.000sec/1.200sec/14) 0B 499! "GET /_matrix/client/v3/rooms/!abc:example.org/members HTTP/1.1" "Element" [0 dbevts]"#,
        "10:01:00.000 7004 GET 499! 5011000+-1000 cpu 100000+10000 db 0/1200000/14 0 events 0 B from 203.0.113.7 at 8083 for @alice:example.org by Element in ?",
    ),
    // media download, a long send time, IPv6
    (
        r#"2024-05-02 10:02:00,000 - synapse.access.http.8085 - 465 - INFO - GET-310 - 2001:db8::25 - 8085 - {@alice:example.org} Processed request: 0.012sec/8.441sec (0.004sec, 0.001sec) (0.000sec/0.003sec/2) 10485760B 200 "GET /_matrix/client/v1/media/download/example.org/AbCdEf HTTP/1.1" "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0" [0 dbevts]"#,
        "10:02:00.000 310 GET 200 12000+8441000 cpu 4000+1000 db 0/3000/2 0 events 10485760 B from 2001:db8::25 at 8085 for @alice:example.org by Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0 in ?",
    ),
    // secrets redacted from the query
    (
        r#"2024-05-02 10:03:00,000 - synapse.access.http.8008 - 465 - INFO - GET-311 - 203.0.113.7 - 8008 - {None} Processed request: 0.020sec/0.000sec (0.004sec, 0.001sec) (0.000sec/0.003sec/2) 60B 400 "GET /_matrix/client/unstable/registration/email/submit_token?token=abc&client_secret=<redacted>&sid=xyz HTTP/1.1" "Mozilla/5.0" [0 dbevts]"#,
        "10:03:00.000 311 GET 400 20000+0 cpu 4000+1000 db 0/3000/2 0 events 60 B from 203.0.113.7 at 8008 for ? by Mozilla/5.0 in ?",
    ),
    // Unix socket listener without X-Forwarded-For (1.81.0 on): socket path for the IP, unix for the port
    (
        r#"2024-05-02 10:04:00,000 - synapse.access.http.unix - 465 - INFO - GET-5 - /run/synapse/main_public.sock - unix - {None} Processed request: 0.001sec/0.000sec (0.000sec, 0.000sec) (0.000sec/0.000sec/0) 20B 404 "GET /_matrix/client/v3/nothing HTTP/1.0" "-" [0 dbevts]"#,
        "10:04:00.000 5 GET 404 1000+0 cpu 0+0 db 0/0/0 0 events 20 B from /run/synapse/main_public.sock at unix for ? by ? in ?",
    ),
    // listener with a tag, request ID taken from a proxy header (1.68.0 on)
    (
        r#"2024-05-02 10:05:00,000 - synapse.access.http.client-main - 465 - INFO - GET-7f3c9e1a5b - 203.0.113.7 - client-main - {@alice:example.org} Processed request: 0.004sec/0.000sec (0.003sec, 0.000sec) (0.000sec/0.001sec/1) 44B 200 "GET /_matrix/client/v3/account/whoami HTTP/1.1" "Element" [0 dbevts]"#,
        "10:05:00.000 7f3c9e1a5b GET 200 4000+0 cpu 3000+0 db 0/1000/1 0 events 44 B from 203.0.113.7 at client-main for @alice:example.org by Element in ?",
    ),
    // Docker workers image with the worker name in the line
    (
        r#"client_reader1 | 2026-07-01 09:15:42,118 - synapse.access.http.18010 - 641 - INFO - POST-12 - 172.17.0.1 - 18010 - {@alice:example.org} Processed request: 0.033sec/0.000sec ru=(0.009sec, 0.001sec) db=(0.000sec/0.015sec/4) 31B 200 "POST /_matrix/client/v3/keys/upload HTTP/1.0" "Element" [0 dbevts]"#,
        "09:15:42.118 12 POST 200 33000+0 cpu 9000+1000 db 0/15000/4 0 events 31 B from 172.17.0.1 at 18010 for @alice:example.org by Element in client_reader1",
    ),
    // request between workers (replication listener)
    (
        r#"2024-05-02 10:06:00,000 - synapse.access.http.9093 - 465 - INFO - POST-88 - 127.0.0.1 - 9093 - {@alice:example.org} Processed request: 0.019sec/0.000sec (0.006sec, 0.000sec) (0.000sec/0.008sec/3) 57B 200 "POST /_synapse/replication/fed_send_events/AbCdEfGhIj HTTP/1.1" "-" [1 dbevts]"#,
        "10:06:00.000 88 POST 200 19000+0 cpu 6000+0 db 0/8000/3 1 events 57 B from 127.0.0.1 at 9093 for @alice:example.org by ? in ?",
    ),
    // OPTIONS and /health: DEBUG only, from 1.19.0
    (
        r#"2024-05-02 10:07:00,000 - synapse.access.http.8008 - 465 - DEBUG - OPTIONS-89 - 203.0.113.7 - 8008 - {None} Processed request: 0.000sec/0.000sec (0.000sec, 0.000sec) (0.000sec/0.000sec/0) 0B 204 "OPTIONS /_matrix/client/v3/sync HTTP/1.1" "Mozilla/5.0" [0 dbevts]"#,
        "10:07:00.000 89 OPTIONS 204 0+0 cpu 0+0 db 0/0/0 0 events 0 B from 203.0.113.7 at 8008 for ? by Mozilla/5.0 in ?",
    ),
    // arrival line: INFO up to 1.10.x, DEBUG from 1.11.0
    (
        r#"2024-05-02 10:07:00,000 - synapse.access.http.8008 - 390 - DEBUG - GET-90 - 203.0.113.7 - 8008 - Received request: GET /_matrix/client/v3/sync?timeout=30000"#,
        "not a request",
    ),
    // status printed by name: possible 0.33.3 to 1.51.x
    (
        r#"2022-01-20 10:00:00,000 - synapse.access.http.8008 - 427 - INFO - GET-91 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 0.003sec/0.000sec (0.001sec, 0.000sec) (0.000sec/0.001sec/1) 70B HTTPStatus.NOT_FOUND "GET /_matrix/client/v3/x HTTP/1.1" "curl" [0 dbevts]"#,
        "10:00:00.000 91 GET 404 3000+0 cpu 1000+0 db 0/1000/1 0 events 70 B from 203.0.113.7 at 8008 for @alice:example.org by curl in ?",
    ),
    // 0.33.3 to 1.22.x: as 1.43, never two names
    (
        r#"2019-07-01 12:00:00,000 - synapse.access.http.8008 - 302 - INFO - GET-92 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 0.003sec/0.000sec (0.001sec, 0.000sec) (0.000sec/0.001sec/1) 70B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "Riot" [0 dbevts]"#,
        "12:00:00.000 92 GET 200 3000+0 cpu 1000+0 db 0/1000/1 0 events 70 B from 203.0.113.7 at 8008 for @alice:example.org by Riot in ?",
    ),
    // 0.32.0 to 0.33.2: one time only
    (
        r#"2018-07-20 12:00:00,000 - synapse.access.http.8008 - 122 - INFO - GET-93 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 0.131sec (0.020sec, 0.004sec) (0.001sec/0.040sec/7) 2301B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "Riot" [3 dbevts]"#,
        "12:00:00.000 93 GET 200 131000+? cpu 20000+4000 db 1000/40000/7 3 events 2301 B from 203.0.113.7 at 8008 for @alice:example.org by Riot in ?",
    ),
    // 0.31.x: no dbevts
    (
        r#"2018-06-20 12:00:00,000 - synapse.access.http.8008 - 115 - INFO - GET-94 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 0.131sec (0.020sec, 0.004sec) (0.001sec/0.040sec/7) 2301B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "Riot""#,
        "12:00:00.000 94 GET 200 131000+? cpu 20000+4000 db 1000/40000/7 0 events 2301 B from 203.0.113.7 at 8008 for @alice:example.org by Riot in ?",
    ),
    // 0.27.0 to 0.30.x: whole milliseconds
    (
        r#"2018-04-20 12:00:00,000 - synapse.access.http.8008 - 77 - INFO - GET-95 - 203.0.113.7 - 8008 - {@alice:example.org} Processed request: 131ms (20ms, 4ms) (1ms/40ms/7) 2301B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "Riot""#,
        "12:00:00.000 95 GET 200 131000+? cpu 20000+4000 db 1000/40000/7 0 events 2301 B from 203.0.113.7 at 8008 for @alice:example.org by Riot in ?",
    ),
    // 0.16.0 to 0.26.x: no waiting time for a connection
    (
        r#"2017-04-20 12:00:00,000 - synapse.access.http.8008 - 76 - INFO - GET-96 - 203.0.113.7 - 8008 - {None} Processed request: 131ms (20ms, 4ms) (40ms/7) 2301B 200 "GET /_matrix/client/r0/sync HTTP/1.1" "None""#,
        "12:00:00.000 96 GET 200 131000+? cpu 20000+4000 db 0/40000/7 0 events 2301 B from 203.0.113.7 at 8008 for ? by ? in ?",
    ),
    // the official documentation's sample
    (
        r#"2024-05-02 10:08:00,000 - synapse.access.http.8448 - 465 - INFO - PUT-1001- 192.0.2.10 - 8448 - {remote.example.net} Processed request: 0.120sec/-0.000sec (0.010sec, 0.001sec) (0.001sec/0.080sec/4) 11B !200 "PUT /_matrix/federation/v1/send/1714644480000 HTTP/1.1" "Synapse/1.105.0" [0 dbevts]"#,
        "10:08:00.000 1001 PUT 200! 120000+0 cpu 10000+1000 db 1000/80000/4 0 events 11 B from 192.0.2.10 at 8448 for remote.example.net by Synapse/1.105.0 in ?",
    ),
];
