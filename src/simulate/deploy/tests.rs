use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::*;
use crate::calibrate::machine::MachineConfig;
use crate::calibrate::prepare::tests::{endpoints, profile, trace};
use crate::calibrate::prepare::{PrepareConfig, PreparedWorkload};
use crate::engine::time::Span;
use crate::station::{Cpu, Quota};
use crate::synapse::router::{Arrival, Routers, RoutingDecision, ServerLoad};
use wsim_plan::{CheckedPlan, Plan};

fn prepared() -> PreparedWorkload {
    let trace = trace(true);
    let profile = profile(&trace, None);
    PreparedWorkload::new(&trace, &endpoints(), &profile, profile.window, &PrepareConfig::default())
}

fn plan(pool: &str) -> CheckedPlan {
    Plan::from_toml(
        &format!("name = \"test\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"client\"\nendpoints = [\"client\"]\n{pool}"),
        "test.toml",
    )
    .unwrap()
}

/// The servers that the first requests are sent to.
fn servers(deployment: &Deployment, prepared: &PreparedWorkload, pool: usize, count: usize) -> Vec<u32> {
    let members = deployment.topology.pools[pool].len();
    let mut router = deployment.routers.router(pool, members, 1);
    let loads = vec![ServerLoad::default(); members];
    let one = |(number, record)| match router
        .route(&Arrival { record, copy: 0, room_copy: 0, random: number, pending_id: 0, key: None }, &loads)
    {
        RoutingDecision::Server(slot) => u32::try_from(slot.server()).unwrap(),
        other => panic!("{other:?}"),
    };
    (0..).zip(&prepared.workload.records).take(count).map(one).collect()
}

#[test]
fn a_keyed_pool_sends_each_user_where_the_proxy_would() {
    let prepared = prepared();
    let plan = plan("workers = 3\nbalance = \"hash consistent\"\nkey = \"user\"\n");
    let deployment = Deployment::from_plan(&plan, &endpoints(), &prepared).unwrap();
    let balancer = plan.balancer(0).unwrap();
    // `@user7:x` has the token `syt_dXNlcjc_…`.
    let key = |number: usize| STANDARD_NO_PAD.encode(format!("user{number}"));
    assert_eq!(key(7), "dXNlcjc");
    let expected: Vec<u32> = (0..100).map(|i| u32::try_from(balancer.server_of_key(key(i % 20).as_bytes()).unwrap()).unwrap()).collect();
    assert_eq!(servers(&deployment, &prepared, 1, 100), expected);
    assert!(expected.contains(&0) && expected.contains(&1) && expected.contains(&2));
}

#[test]
fn a_round_robin_pool_alternates() {
    let prepared = prepared();
    let deployment = Deployment::from_plan(&plan("workers = 2\n"), &endpoints(), &prepared).unwrap();
    assert_eq!(servers(&deployment, &prepared, 1, 4), [0, 1, 0, 1]);
}

#[test]
fn endpoints_without_a_pool_go_to_the_main_process() {
    let deployment = Deployment::from_plan(&plan("workers = 2\n"), &endpoints(), &prepared()).unwrap();
    assert_eq!(deployment.topology.routes, [1, 0, 0]);
    assert_eq!(deployment.pool_names, ["main", "client"]);
    let processes: Vec<&str> = deployment.topology.processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(processes, ["main", "client1", "client2"]);
}

#[test]
fn cpu_below_one_is_a_quota_and_above_one_a_faster_machine() {
    let prepared = prepared();
    let cpu = |text: &str| Deployment::from_plan(&plan(text), &endpoints(), &prepared).unwrap().topology.processes[1].cpu;
    let quota = Quota { budget: Span::from_millis(5), period: Span::from_millis(20) };
    // The log's processes were never throttled; after a throttling caches are cold.
    assert_eq!(cpu("workers = 1\ncpu = 0.25\ncpu_period = 20\n"), Cpu { speed: 1.0 / 1.14, quota: Some(quota) });
    let usual = Quota { budget: Span::from_millis(25), period: Span::from_millis(100) };
    assert_eq!(cpu("workers = 1\ncpu = 0.25\n"), Cpu { speed: 1.0 / 1.028, quota: Some(usual) });
    let deployed = Deployment::from_plan(&plan("workers = 1\n[process.main]\ncpu = 0.5\n"), &endpoints(), &prepared).unwrap();
    assert_eq!(deployed.topology.processes[0].cpu.capacity(), 0.5);
    assert_eq!(cpu("workers = 1\ncpu = 2.0\n"), Cpu { speed: 2.0, quota: None });
}

#[test]
fn processes_on_a_crowded_machine_need_more_cpu_for_the_same_requests() {
    let trace = trace(true);
    let profile = profile(&trace, None);
    let observed = Some(wsim_plan::Machine { cores: 2.0, contention: Some(1.0), measured: Vec::new() });
    let config = PrepareConfig { machine: MachineConfig { cores: None, observed }, ..PrepareConfig::default() };
    let prepared = PreparedWorkload::new(&trace, &endpoints(), &profile, profile.window, &config);
    let deploy = |text: &str| Deployment::from_plan(&plan(text), &endpoints(), &prepared).unwrap();
    let (one, four) = (deploy("workers = 1\n"), deploy("workers = 4\n"));
    assert_eq!(
        one.topology.machine.map(|machine| machine.cores),
        Some(2.0),
        "a plan runs on the observed machine unless it says otherwise"
    );
    assert!(four.contention.value > one.contention.value * 1.1, "{:?} {:?}", one.contention, four.contention);
    assert!((four.topology.processes[0].cpu.speed * four.contention.value - 1.0).abs() < 1e-12);
    assert!(four.remarks.iter().any(|remark| remark.contains("changes the CPU of every request")), "{:?}", four.remarks);
    let apart = deploy("workers = 4\n[machine]\ncores = 16\n");
    assert!(apart.topology.machine.unwrap().cores == 16.0 && apart.contention.value <= 1.0, "{:?}", apart.contention);
}

#[test]
fn event_writers_are_the_persisters() {
    let plan = plan("workers = 1\n[stream_writers]\nevents = [\"persister1\", \"persister2\"]\n");
    let deployment = Deployment::from_plan(&plan, &endpoints(), &prepared()).unwrap();
    assert_eq!(deployment.topology.persisters, [2, 3]);
    assert_eq!(deployment.pool_names, ["main", "client", "writers of events"]);
}

#[test]
fn a_rule_that_the_proxy_does_not_support_is_an_error() {
    let error = Deployment::from_plan(&plan("workers = 2\nbalance = \"maglev\"\nkey = \"user\"\n"), &endpoints(), &prepared()).unwrap_err();
    assert!(matches!(error, DeployError::Balancer(_)), "{error}");
}
