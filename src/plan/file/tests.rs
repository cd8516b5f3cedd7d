use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use super::super::background_roles::BackgroundRoles;
use super::super::cpu::{Cpu, Machine, MeasuredCpu, ProcessLimit};
use super::super::known;
use super::super::model::{Plan, Pool, Proxy, ProxyKind, Selector};
use super::super::writers::Writers;

const EXAMPLE: &str = r#"name = "sync by user, events by room"
synapse = "1.157"
[proxy]
kind = "nginx"          # nginx | haproxy | caddy | traefik | apache | envoy
processes = 1           # independent balancing states
[[pool]]
name = "sync"
endpoints = ["sync"]    # group ids, or {pattern = "^/_matrix/…", methods = ["GET"]}
servers = ["127.0.0.1:8013", "127.0.0.1:8037=2"]
balance = "hash consistent"
key = "user"
cpu = 1.0
[stream_writers]
typing = "typing1"
events = ["persister1", "persister2"]
"#;

/// The example with one line changed.
fn changed(line: &str, by: &str) -> String {
    assert!(EXAMPLE.contains(line), "{line}");
    let text = EXAMPLE.replacen(line, by, 1);
    Plan::from_toml(&text, "plan.toml").unwrap_err().to_string()
}

#[test]
fn the_example_of_the_manual_is_a_plan() {
    let plan = Plan::from_toml(EXAMPLE, "plan.toml").unwrap();
    assert_eq!(plan.worker_count(), 5);
    let servers = plan.pools[0].servers().unwrap();
    assert_eq!(servers[1].name, "127.0.0.1:8037");
    assert_eq!(servers[1].weight, 2);
    assert_eq!(plan.stream_writers["events"].names(), ["persister1", "persister2"]);
    assert!(plan.warnings().is_empty(), "{:?}", plan.warnings());
}

#[test]
fn a_process_has_the_limit_of_its_own_entry_and_else_of_its_pool() {
    let own = "cpu = 0.25\ncpu_period = 20\n[process.main]\ncpu = 0.5\n[process.sync2]\ncpu = 0.75\ncpu_period = 50\n[process.persister1]\ncpu = 0.1\n[machine]\ncores = 4";
    let plan = Plan::from_toml(&EXAMPLE.replacen("cpu = 1.0", own, 1), "plan.toml").unwrap();
    let limit = |cores, period_ms| Cpu { cores, period_ms };
    assert_eq!(plan.cpu_of_main(), limit(0.5, 100.0));
    let of = |name: &str| plan.workers().iter().find(|worker| worker.name == name).unwrap().cpu;
    assert_eq!((of("sync1"), of("sync2")), (limit(0.25, 20.0), limit(0.75, 50.0)));
    assert_eq!((of("persister1"), of("persister2")), (limit(0.1, 100.0), Cpu::CORE));
    assert_eq!(plan.machine.as_ref().map(|machine| machine.cores), Some(4.0));
}

#[test]
fn faults_of_processes_and_machine_name_their_line() {
    let error = |text: &str| Plan::from_toml(&format!("{EXAMPLE}{text}"), "plan.toml").unwrap_err().to_string();
    let cases = [
        (
            "[process.persister3]\ncpu = 0.5\n",
            "plan.toml:16: process \"persister3\" is neither \"main\" nor a worker of the plan; did you mean \"persister1\"?",
        ),
        ("[process.main]\ncpu = 20\n", "plan.toml:17: process \"main\": cpu must be above 0 and at most 16"),
        ("[process.main]\ncpu = 0.5\ncpu_period = 5000\n", "plan.toml:18: process \"main\": cpu_period = 5000 must be 1 to 1000 ms"),
        ("[process.main]\nquota = 0.5\n", "plan.toml:17: unknown field `quota`"),
        ("[machine]\ncores = 0\n", "plan.toml:17: cores = 0 must be 0.1 to 1024"),
        ("[machine]\ncores = 2\ncontention = -1\n", "plan.toml:18: contention must be 0 to 10"),
        (
            "[machine]\ncores = 2\nmeasured = [{processes = 1, cpu_ms = 6}]\n",
            "plan.toml:18: measured needs two different numbers of processes",
        ),
    ];
    for (text, expected) in cases {
        assert!(error(text).starts_with(expected), "{}", error(text));
    }
}

#[test]
fn every_fault_names_its_line_and_the_way_out() {
    let cases = [
        (
            r#"endpoints = ["sync"]"#,
            r#"endpoints = ["sync", "federatoin"]"#,
            "plan.toml:8: pool \"sync\": there is no endpoint group \"federatoin\"; did you mean \"federation\"?",
        ),
        (r#"endpoints = ["sync"]"#, "endpoints = []", "plan.toml:8: pool \"sync\" takes no endpoints"),
        (
            r#"endpoints = ["sync"]"#,
            "endpoints = [{pattern = \"^/a(\"}]",
            "plan.toml:8: pool \"sync\": the pattern \"^/a(\" is not a regular expression",
        ),
        (
            r#"endpoints = ["sync"]"#,
            "endpoints = [{pattern = \"^/a\", methods = [\"get\"]}]",
            "plan.toml:8: pool \"sync\": \"get\" is no method; use GET",
        ),
        (r#"endpoints = ["sync"]"#, "endpoints = [7]", "plan.toml:8: expected an endpoint group in quotes"),
        ("cpu = 1.0", "workers = 2", "plan.toml:12: pool \"sync\" has both servers and workers"),
        (r#"servers = ["127.0.0.1:8013", "127.0.0.1:8037=2"]"#, "", "plan.toml:6: pool \"sync\" has neither servers nor workers"),
        (r#"servers = ["127.0.0.1:8013", "127.0.0.1:8037=2"]"#, "workers = 0", "plan.toml:9: pool \"sync\": workers must be 1 to 1000"),
        ("8037=2", "8037=0", "plan.toml:9: pool \"sync\": server \"127.0.0.1:8037=0\" needs a whole weight"),
        ("8037=2", "8013=2", "plan.toml:9: pool \"sync\" lists \"127.0.0.1:8013\" twice"),
        ("cpu = 1.0", "cpu = 0.0", "plan.toml:12: pool \"sync\": cpu must be above 0"),
        ("cpu = 1.0", "cpu_period = 0.5", "plan.toml:12: pool \"sync\": cpu_period = 0.5 must be 1 to 1000 ms"),
        ("cpu = 1.0", "cpu_period = -20", "plan.toml:12: pool \"sync\": cpu_period = -20 must be 1 to 1000 ms"),
        (
            "cpu = 1.0",
            "cpu_period = 20\ncpu = 0.04",
            "plan.toml:13: pool \"sync\": cpu and cpu_period give it 0.800 ms in every 20 ms, and Linux gives at least 1 ms; write cpu = 0.05 or more",
        ),
        ("cpu = 1.0", "cpu = nan", "plan.toml:12: pool \"sync\": cpu must be above 0"),
        (r#"key = "user""#, "", "plan.toml:10: pool \"sync\": balance \"hash consistent\" hashes a key; add key ="),
        (r#"balance = "hash consistent""#, r#"balance = "by the moon""#, "plan.toml:10: pool \"sync\": balance \"by the moon\" is no rule"),
        (r#"synapse = "1.157""#, r#"synapse = "latest""#, "plan.toml:2: synapse = \"latest\" is not a release"),
        (
            "[stream_writers]",
            "[duties]\npusher_instances = [\"p1\", \"p1\"]\n[stream_writers]",
            "plan.toml:14: duties.pusher_instances: \"p1\" is no usable worker name",
        ),
        ("processes = 1 ", "processes = 0 ", "plan.toml:5: processes must be 1 to 512"),
        ("processes = 1 ", "processes = 4294967295 ", "plan.toml:5: processes must be 1 to 512"),
        (
            r#"servers = ["127.0.0.1:8013", "127.0.0.1:8037=2"]"#,
            "workers = 4294967295",
            "plan.toml:9: pool \"sync\": workers must be 1 to 1000",
        ),
        ("processes = 1 ", "release = \"newest\" ", "plan.toml:5: release = \"newest\" is not a release of the proxy"),
        (r#"kind = "nginx""#, r#"kind = "ngnix""#, "plan.toml:4: unknown variant `ngnix`, expected one of `nginx`"),
        (r#"typing = "typing1""#, r#"typing = ["a", "b"]"#, "plan.toml:14: stream \"typing\" has 2 writers, but Synapse wants exactly one"),
        (
            r#"events = ["persister1", "persister2"]"#,
            "events = []",
            "plan.toml:15: stream \"events\" has 0 writers, but Synapse wants at least one",
        ),
        (
            r#"events = ["persister1", "persister2"]"#,
            r#"events = ["a", "a"]"#,
            "plan.toml:15: stream \"events\": \"a\" is no usable worker name",
        ),
        (
            r#"typing = "typing1""#,
            r#"typping = "typing1""#,
            "plan.toml:14: there is no stream \"typping\" that a worker may write; did you mean \"typing\"?",
        ),
        (r#"name = "sync""#, r#"name = "main""#, "plan.toml:7: pool name \"main\""),
        ("cpu = 1.0", "colour = 3", "plan.toml:12: unknown field `colour`"),
        ("[proxy]", "[proxy", "plan.toml:3: "),
    ];
    for (line, by, expected) in cases {
        let message = changed(line, by);
        assert!(message.starts_with(expected), "{by}\n  {message}");
        assert!(!message.contains('\n') && !message.ends_with('.'), "{message}");
    }
}

#[test]
fn a_plan_beyond_any_deployment_is_an_error_at_once() {
    let text = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(", ");
    let servers =
        |count: usize, weight: &str| format!("servers = [{}]", text(count, &|n| format!("\"10.0.{}.{}:80{weight}\"", n / 250, n % 250)));
    let own = r#"servers = ["127.0.0.1:8013", "127.0.0.1:8037=2"]"#;
    assert!(changed(own, &servers(1_000_000, "")).starts_with("plan.toml:9: pool \"sync\": workers must be 1 to 1000"));
    assert!(changed(own, &servers(21, "=1000")).contains("the weights of its servers add up to more than 20000"));
    let endpoints = format!("endpoints = [{}]", text(1001, &|n| format!("{{pattern = \"^/{n}\"}}")));
    assert!(changed(r#"endpoints = ["sync"]"#, &endpoints).contains("names more than 1000 endpoints"));
    let writers = format!("events = [{}]", text(5000, &|n| format!("\"p{n}\"")));
    assert!(changed(r#"events = ["persister1", "persister2"]"#, &writers).contains("more than 4000 workers"));
    let pools = |count: usize, workers: u32| {
        let pool = |n: usize| format!("[[pool]]\nname = \"p{n}-\"\nendpoints = [\"client\"]\nworkers = {workers}\n");
        changed("[stream_writers]", &((0..count).map(pool).collect::<String>() + "[stream_writers]"))
    };
    assert!(pools(10, 1000).contains("more than 4000 workers"), "{}", pools(10, 1000));
    assert!(pools(5000, 1).contains("more than 4000 pools"), "{}", pools(5000, 1));
}

#[test]
fn two_pools_of_one_name_are_an_error_and_one_group_in_two_pools_gives_a_warning() {
    let second = |name: &str, group: &str| {
        let text = EXAMPLE
            .replace("[stream_writers]", &format!("[[pool]]\nname = {name:?}\nendpoints = [{group:?}]\nworkers = 1\n[stream_writers]"));
        Plan::from_toml(&text, "plan.toml")
    };
    let error = second("sync", "client").unwrap_err().to_string();
    assert_eq!(error, "plan.toml:14: there are two pools \"sync\"; give one of them another name");
    let warnings = second("other", "sync").unwrap().warnings();
    assert_eq!(warnings, ["pools \"sync\" and \"other\" both take group sync; the first gets it"]);
}

#[test]
fn one_worker_with_two_limits_and_two_workers_with_one_name_are_errors() {
    let plus = |pools: &str| {
        Plan::from_toml(&EXAMPLE.replace("[stream_writers]", &format!("{pools}\n[stream_writers]")), "p").unwrap_err().to_string()
    };
    let error = plus("[[pool]]\nname = \"event\"\nendpoints = [\"event_sending\"]\nservers = [\"127.0.0.1:8013\"]\ncpu = 0.5");
    assert_eq!(error, "p:17: pool \"event\" gives \"127.0.0.1:8013\" another cpu than an earlier pool does; a worker has one limit");
    let error = plus(
        "[[pool]]\nname = \"a\"\nendpoints = [\"client\"]\nworkers = 11\n[[pool]]\nname = \"a1\"\nendpoints = [\"media\"]\nworkers = 1",
    );
    assert_eq!(error, "p:18: two workers would be called \"a11\"; rename the pool or the stream writer");
}

#[test]
fn probable_mistakes_give_warnings() {
    let text = EXAMPLE
        .replace(r#"["sync"]"#, r#"["sync", "sliding_sync", "client_other", "pagination", {pattern = "^/x", methods = ["GET"]}]"#)
        .replace("hash consistent", "least_conn");
    let warnings = Plan::from_toml(&text, "p").unwrap().warnings().join("\n");
    for part in [
        "no release's worker document lists",
        "names client_other, which only the main process serves",
        "waiting long polls count too",
        "/messages stays on the main process",
    ] {
        assert!(warnings.contains(part), "{part}\n{warnings}");
    }
}

#[test]
fn faults_in_lists_of_clients_and_patterns_beyond_the_path_name_the_way_out() {
    let with = |line: &str| {
        let text = EXAMPLE.replacen("balance = ", &format!("{line}\nbalance = "), 1);
        Plan::from_toml(&text, "p").map(|_| ()).unwrap_err().to_string()
    };
    for (line, message) in [
        ("users = []", "the list is empty: leave it out"),
        ("user = [\"@a:b\"]", "unknown field `user`"),
        ("users = [\"alice\"]", "pool \"sync\": users: \"alice\" is no user"),
        ("addresses = [\"10.0.0.0/40\"]", "pool \"sync\": addresses: \"10.0.0.0/40\" has no number of bits from 0 to 32"),
        ("agents = [\"a\", \"a\"]", "agents: \"a\" is listed twice"),
        ("tokens = [\"syt_YWxpY2U_secret\"]", "tokens: a whole token is a secret"),
    ] {
        assert!(with(line).contains(message), "{line}: {}", with(line));
    }
    assert!(
        with("users = [\"alice\"]")
            .starts_with(&format!("p:{}: ", EXAMPLE.lines().position(|line| line.starts_with("balance")).unwrap() + 1))
    );
    let pattern = |pattern: &str| {
        let text = EXAMPLE.replace(r#"["sync"]"#, &format!("[{{pattern = {pattern:?}}}]"));
        Plan::from_toml(&text, "p").map(|_| ()).map_err(|error| error.to_string())
    };
    let fault = pattern("user_id=").unwrap_err();
    assert!(fault.contains("never matches") && fault.contains("appservices = [\"@_bridge_*\"]"), "{fault}");
    assert!(pattern("^/sync\\?since=").unwrap_err().contains("match the path"));
    assert!(pattern("^/_matrix/(a=b|c)").is_ok());
}

#[test]
fn a_written_plan_looks_handwritten() {
    let mut plan = Plan::from_toml(EXAMPLE, "p").unwrap().into_plan();
    plan.pools[0].endpoints = known::groups().take(12).map(|group| Selector::Group(group.to_owned())).collect();
    plan.pools[0].cpu = 0.25;
    let text = plan.to_toml();
    assert!(text.starts_with("# A plan for Synapse's workers"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 104), "{text}");
    assert!(text.contains("\n[[pool]]\nname = \"sync\"\nendpoints = [\n    \"sync\", \"federation\","), "{text}");
    assert!(text.contains("cpu = 0.25\n"), "{text}");
    assert_eq!(*Plan::from_toml(&text, "p").unwrap(), plan);
}

fn any_selector() -> impl Strategy<Value = Selector> {
    let groups: Vec<&'static str> = known::groups().collect();
    prop_oneof![
        prop::sample::select(groups).prop_map(|group| Selector::Group(group.to_owned())),
        ("[^()\\[\\]{}*+?|\\\\^$.]{1,20}", prop::sample::subsequence(vec!["GET", "PUT", "POST"], 0..=3))
            .prop_map(|(pattern, methods)| { Selector::Pattern { pattern, methods: methods.into_iter().map(str::to_owned).collect() } }),
    ]
}

fn any_pool() -> impl Strategy<Value = Pool> {
    let rules = vec![
        ("round robin", None),
        ("hash consistent", Some("user")),
        ("hash", Some("header:X-Thing")),
        ("ip_hash", None),
        ("least_conn", None),
    ];
    (
        prop::collection::vec(any_selector(), 1..5),
        1..9_u32,
        any::<bool>(),
        prop::collection::vec(1..1000_u32, 8),
        prop::sample::select(rules),
        (0.05..16.0_f64, prop::sample::select(vec![20.0, 33.5, 100.0, 1000.0])),
        any_clients(),
    )
        .prop_map(|(endpoints, workers, addresses, weights, (balance, key), (cpu, cpu_period), clients)| Pool {
            name: String::new(),
            endpoints,
            servers: if addresses {
                weights.iter().take(workers as usize).map(|weight| format!("=={weight}")).collect()
            } else {
                Vec::new()
            },
            workers: (!addresses).then_some(workers),
            balance: balance.to_owned(),
            key: key.map(str::to_owned),
            cpu,
            cpu_period,
            ..clients
        })
}

/// A pool with lists of clients only.
fn any_clients() -> impl Strategy<Value = Pool> {
    let list = |texts: &'static [&'static str]| {
        prop::sample::subsequence(texts, 0..=texts.len()).prop_map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    (
        list(&["@_telegram_*", "@alice:example.org", "*:example.org"]),
        list(&["@_irc_*", "*"]),
        list(&["mautrix-*", "Element X", "matrix-appservice-*"]),
        list(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]),
        list(&["syt_*", "mct_*"]),
    )
        .prop_map(|(users, appservices, agents, addresses, tokens)| Pool {
            users,
            appservices,
            agents,
            addresses,
            tokens,
            ..Pool::default()
        })
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let kinds = vec![ProxyKind::Nginx, ProxyKind::Haproxy, ProxyKind::Caddy, ProxyKind::Traefik, ProxyKind::Apache, ProxyKind::Envoy];
    let streams: Vec<&'static str> = known::STREAMS.iter().map(|(name, _)| *name).collect();
    let streams = prop::sample::subsequence(streams, 0..=10);
    (any::<String>(), prop::sample::select(kinds), 1..9_u32, prop::collection::vec(any_pool(), 0..4), streams).prop_map(
        |(name, kind, processes, mut pools, streams)| {
            for (i, pool) in pools.iter_mut().enumerate() {
                pool.name = format!("pool-{i}-");
                if i % 2 == 1 {
                    pool.names = vec![format!("named_{i}")];
                }
                for (j, server) in pool.servers.iter_mut().enumerate() {
                    *server = format!("worker{i}-{j}:8083{}", server.trim_start_matches('='));
                    *server = server.replacen(":8083", ":8083=", 1);
                }
            }
            let release = (processes % 2 == 0).then(|| format!("2.{processes}"));
            let stream_writers = streams.into_iter().map(|stream| (stream.to_owned(), Writers::One("writer-1".to_owned()))).collect();
            let background_roles = BackgroundRoles {
                run_background_tasks_on: (processes > 3).then(|| "background_1".to_owned()),
                pusher_instances: (processes > 5).then(|| Writers::Several(vec!["pusher_1".to_owned(), "pusher_2".to_owned()])),
                federation_sender_instances: (processes > 6).then(|| Writers::One("sender-1-".to_owned())),
                ..BackgroundRoles::default()
            };
            let limit = ProcessLimit { cpu: 1.0 / f64::from(processes), cpu_period: 10.0 * f64::from(processes) };
            let measured = [(1.0, 6.25), (f64::from(processes) + 1.0, 9.5)].map(|(processes, cpu_ms)| MeasuredCpu { processes, cpu_ms });
            let machine = Machine {
                cores: f64::from(processes),
                contention: (processes == 4).then_some(0.75),
                measured: if processes == 5 { measured.to_vec() } else { Vec::new() },
            };
            Plan {
                name,
                synapse: "1.157".to_owned(),
                proxy: Proxy { kind, processes, release },
                pools,
                stream_writers,
                background_roles,
                machine: (processes > 2).then_some(machine),
                processes: (processes > 1).then(|| ("main".to_owned(), limit)).into_iter().collect(),
            }
        },
    )
}

proptest! {
    #[test]
    fn a_written_plan_reads_back_the_same(plan in any_plan()) {
        let text = plan.to_toml();
        let read = Plan::from_toml(&text, "plan.toml");
        prop_assert_eq!(read.as_deref(), Ok(&plan), "{}", text);
        prop_assert_eq!(read.unwrap().to_toml(), text);
    }

    #[test]
    fn any_text_is_a_plan_or_an_error_but_never_a_panic(text in "(?s).{0,300}") {
        let _ = Plan::from_toml(&text, "plan.toml");
    }
}
