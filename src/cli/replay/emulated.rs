//! `--target emulated`: the built-in cluster of a plan, provisioned; and what the simulation predicts for the same requests.

use std::collections::BTreeSet;

use anyhow::Context;

use super::super::emulate::{new_secret, plan as read_plan};
use super::super::reading::{Config, Read};
use super::super::{UsageError, provision as provisioning};
use super::Replay;
use super::choices::Choices;
use super::prepare::Played;
use super::{aim, priming};
use wsim_emulate::{Cluster, Demands, Keys, Settings, WithoutRow};
use wsim_matrix::provision::{self, Accounts, Wishes};
use wsim_matrix::{Manifest, Survey};
use wsim_plan::Plan;
use wsim_report::replay::Predicted;
use wsim_simulate::cluster::Run;
use wsim_simulate::deploy::Deployment;
use wsim_simulate::prepare::PrepareSettings;
use wsim_simulate::random::{Purpose, draw};
use wsim_simulate::schedule::{Population, Schedule};
use wsim_simulate::station::Measuring;
use wsim_simulate::time::Time;
use wsim_stats::student_t;
use wsim_trace::{Trace, flag};

/// A cluster that is ready to be replayed at.
pub(super) struct Emulated {
    pub(super) cluster: Cluster,
    pub(super) aimed: aim::Aimed,
    pub(super) world: Manifest,
    pub(super) plan: Plan,
    pub(super) predicted: Vec<Predicted>,
}

/// Requests at a time while provisioning.
const CONCURRENCY: usize = 16;
/// Simulated runs of a prediction.
const RUNS: u64 = 10;

/// Starts and provisions a cluster of `--plan`.
pub(super) fn start(
    arguments: &Replay,
    choices: &Choices,
    config: &Config,
    read: &Read,
    trace: &Trace,
    played: &Played,
) -> anyhow::Result<Emulated> {
    let text = arguments
        .plan
        .as_deref()
        .ok_or_else(|| UsageError("--target emulated needs --plan: a plan file, or a standard plan like generic:2".to_owned()))?;
    let plan = read_plan(text, &arguments.reading.plan_options(&config.synapse_version))?;
    let prepare = PrepareSettings { process_cpu: config.process_cpu.clone(), ..PrepareSettings::default() };
    let demands = Demands::of(trace, &read.endpoints, &read.profile, &played.requests, &prepare);
    let predicted = predict(&plan, &demands, choices, read, played)?;
    let secret = new_secret()?;
    let settings = Settings {
        secret: secret.clone(),
        seed: arguments.reading.seed,
        without_row: WithoutRow::Free,
        keys: Keys::OfLog,
        ..Settings::default()
    };
    let cluster = Cluster::start(&plan, demands, settings)?;
    let url = format!("http://{}", cluster.address());
    let scratch = tempfile::tempdir().context("could not make a temporary folder")?;
    let (aimed, world) = priming::in_runtime(async {
        let aimed = aim::aim(url.parse()?, choices.transport.clone(), BTreeSet::new(), &choices.allowed).await?;
        let mut world = Manifest::new(&url, provisioning::random()?);
        let survey = Survey::of(&trace.names, played.requests.iter().copied());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 1000")]
        let copies = choices.shape.load.ceil().max(1.0) as u16;
        provision::design(&mut world, &survey, &trace.names, &Wishes { copies, ..Wishes::default() });
        let settings = provision::Settings {
            path: scratch.path().join("world.json"),
            concurrency: CONCURRENCY,
            accounts: Accounts::Secret(secret),
            forbidden: BTreeSet::new(),
        };
        let client = wsim_transport::Client::new(aimed.connector.clone());
        provision::provision(&client, &mut world, &settings, &|_| {}).await.context("could not provision the emulated cluster")?;
        Ok((aimed, world))
    })?;
    Ok(Emulated { cluster, aimed, world, plan, predicted })
}

/// Median and 95th percentile of each group's work: means of runs that differ in what is drawn, with 95 % intervals. Groups with long polls
/// are left out: what is measured of them is not their work alone.
fn predict(plan: &Plan, demands: &Demands, choices: &Choices, read: &Read, played: &Played) -> anyhow::Result<Vec<Predicted>> {
    let prepared = demands.prepared();
    let deployment = Deployment::of(plan, &read.endpoints, prepared)?;
    let population = Population { growth: choices.shape.load, ..Population::OBSERVED };
    let schedule = Schedule::draw(&prepared.workload, population, choices.shape.seed);
    let runs = (0..RUNS)
        .map(|number| {
            let run = Run {
                workload: &prepared.workload,
                schedule: &schedule,
                topology: &deployment.topology,
                routers: &deployment.routers,
                costs: &prepared.costs,
                measuring: Measuring::over(Time::ZERO, Time::ZERO + prepared.workload.span, 1),
                seed: draw(choices.shape.seed, Purpose::Replication, number),
                as_logged: false,
            };
            run.simulate()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let polled: BTreeSet<&str> = played
        .requests
        .iter()
        .filter(|request| request.has(flag::LONG_POLL))
        .filter_map(|request| read.endpoints.get(usize::from(request.endpoint.0)))
        .map(|endpoint| endpoint.group.as_str())
        .collect();
    let interval = |group: usize, quantile: f64| {
        let values: Vec<f64> = runs.iter().filter_map(|run| run.groups.get(group)).map(|one| one.work.quantile_ms(quantile)).collect();
        student_t::mean_interval(&values, 0.95)
    };
    let named = prepared.groups.iter().enumerate().filter(|(_, id)| !polled.contains(id.as_str()));
    Ok(named
        .filter(|(number, _)| runs.iter().any(|run| run.groups.get(*number).is_some_and(|one| one.work.count() > 0)))
        .map(|(number, id)| Predicted { id: id.clone(), p50: interval(number, 0.5), p95: interval(number, 0.95) })
        .collect())
}
