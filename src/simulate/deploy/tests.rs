use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::super::prepare::tests::{endpoints, profile, trace};
use super::super::prepare::{PrepareSettings, Prepared};
use super::super::router::{Answer, Arriving, Routers, ServerLoad};
use super::*;
use wsim_plan::Plan;

fn prepared() -> Prepared {
    let trace = trace(true);
    let profile = profile(&trace, None);
    Prepared::new(&trace, &endpoints(), &profile, profile.window, &PrepareSettings::default())
}

fn plan(pool: &str) -> Plan {
    Plan::from_toml(
        &format!("name = \"test\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"client\"\nendpoints = [\"client\"]\n{pool}"),
        "test.toml",
    )
    .unwrap()
}

/// The server that each of the first requests goes to.
fn servers(deployment: &Deployment, prepared: &Prepared, pool: usize, count: usize) -> Vec<u32> {
    let members = deployment.topology.pools[pool].len();
    let mut router = deployment.routers.router(pool, members, 1);
    let loads = vec![ServerLoad::default(); members];
    let one = |(number, record)| match router.pick(&Arriving { record, copy: 0, random: number, ticket: 0 }, &loads) {
        Answer::Sent(sent) => sent.server,
        other => panic!("{other:?}"),
    };
    (0..).zip(&prepared.workload.records).take(count).map(one).collect()
}

#[test]
fn a_keyed_pool_sends_each_user_where_the_proxy_would() {
    let prepared = prepared();
    let plan = plan("workers = 3\nbalance = \"hash consistent\"\nkey = \"user\"\n");
    let deployment = Deployment::of(&plan, &endpoints(), &prepared).unwrap();
    let balancer = plan.balancer(&plan.pools[0]).unwrap();
    // `@user7:x` has the token `syt_dXNlcjc_…`.
    let key = |number: usize| STANDARD_NO_PAD.encode(format!("user{number}"));
    assert_eq!(key(7), "dXNlcjc");
    let expected: Vec<u32> = (0..100).map(|i| u32::try_from(balancer.server_of_key(key(i % 20).as_bytes()).unwrap()).unwrap()).collect();
    assert_eq!(servers(&deployment, &prepared, 1, 100), expected);
    assert!(expected.contains(&0) && expected.contains(&1) && expected.contains(&2));
}

#[test]
fn a_pool_in_turn_takes_turns() {
    let prepared = prepared();
    let deployment = Deployment::of(&plan("workers = 2\n"), &endpoints(), &prepared).unwrap();
    assert_eq!(servers(&deployment, &prepared, 1, 4), [0, 1, 0, 1]);
}

#[test]
fn what_no_pool_takes_goes_to_the_main_process() {
    let deployment = Deployment::of(&plan("workers = 2\n"), &endpoints(), &prepared()).unwrap();
    assert_eq!(deployment.topology.routes, [1, 0, 0]);
    assert_eq!(deployment.names, ["main", "client"]);
    let processes: Vec<&str> = deployment.topology.processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(processes, ["main", "client1", "client2"]);
}

#[test]
fn cpu_below_one_is_a_quota_and_above_one_a_faster_machine() {
    let prepared = Prepared { quota_period: Span::from_millis(20), ..prepared() };
    let cpu = |text: &str| Deployment::of(&plan(text), &endpoints(), &prepared).unwrap().topology.processes[1].cpu;
    let quota = Quota { budget: Span::from_millis(5), period: Span::from_millis(20) };
    assert_eq!(cpu("workers = 1\ncpu = 0.25\n"), Cpu { speed: 1.0, quota: Some(quota) });
    assert_eq!(cpu("workers = 1\ncpu = 2.0\n"), Cpu { speed: 2.0, quota: None });
}

#[test]
fn event_writers_are_the_persisters() {
    let mut plan = plan("workers = 1\n");
    let writers = wsim_plan::Writers::Several(vec!["persister1".to_owned(), "persister2".to_owned()]);
    plan.stream_writers.insert("events".to_owned(), writers);
    let deployment = Deployment::of(&plan, &endpoints(), &prepared()).unwrap();
    assert_eq!(deployment.topology.persisters, [2, 3]);
    assert_eq!(deployment.names, ["main", "client", "writers of events"]);
}

#[test]
fn a_rule_that_the_proxy_does_not_have_is_an_error() {
    let error = Deployment::of(&plan("workers = 2\nbalance = \"maglev\"\nkey = \"user\"\n"), &endpoints(), &prepared()).unwrap_err();
    assert!(matches!(error, DeployError::Balancer(_)), "{error}");
}
