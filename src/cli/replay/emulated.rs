//! `--target emulated`: starts and provisions the built-in cluster of a plan, and simulates the same requests as a prediction.

use std::sync::Arc;

use anyhow::Context;

use super::super::UsageError;
use super::super::emulate::{new_secret, without_requests_between_processes};
use super::super::plan_arg::PlanArg;
use super::super::provision::{in_runtime, random_bytes};
use super::super::reading::{LogData, ReadConfig, anonymous_plan};
use super::Replay;
use super::config::ReplayConfig;
use wsim_emulate::{EmulatedCluster, EmulationConfig, KeySource, LoggedCosts, WithoutRow};
use wsim_matrix::provision::{self, AccountSource, ProvisionConfig, WorldConfig};
use wsim_matrix::{CheckedTarget, KnownServers, Manifest, Survey, check_target};
use wsim_plan::CheckedPlan;
use wsim_replay::ReplayedRequests;
use wsim_replay::guard::{Guard, GuardOverrides, Origin};
use wsim_report::replay::Predicted;
use wsim_simulate::StopFlag;
use wsim_simulate::deploy::Deployment;
use wsim_simulate::prediction::predict;
use wsim_simulate::prepare::PrepareConfig;
use wsim_trace::Trace;
use wsim_trace::ingest::Progress;

/// A running cluster with the accounts and rooms that the requests need.
pub(super) struct Emulated {
    pub(super) cluster: EmulatedCluster,
    pub(super) checked: CheckedTarget,
    pub(super) world: Manifest,
    pub(super) plan: CheckedPlan,
    /// What the plan cannot do as written, and what the log says about its selections.
    pub(super) remarks: Vec<String>,
    pub(super) predicted: Vec<Predicted>,
}

/// Concurrent requests while provisioning.
const CONCURRENCY: usize = 16;

/// Starts and provisions a cluster of `--plan`.
pub(super) fn start(
    arguments: &Replay,
    config: &ReplayConfig,
    read_config: &ReadConfig,
    data: &LogData,
    trace: &Trace,
    replayed: &ReplayedRequests,
    progress: &Progress,
) -> anyhow::Result<Emulated> {
    let text = arguments
        .plan
        .as_deref()
        .ok_or_else(|| UsageError("--target emulated needs --plan: a plan file, or a standard plan like generic:2".to_owned()))?;
    let plan = PlanArg::parse(text)?;
    let is_file = matches!(plan, PlanArg::Plan(_));
    let plan = plan.into_plan(&data.summary.preset_config())?;
    let plan = match &read_config.anonymise {
        Some(anonymiser) if is_file => anonymous_plan(&plan, &anonymiser.key)?,
        _ => plan,
    };
    let stop = StopFlag::from(Arc::clone(&progress.stop));
    let prepare = PrepareConfig { process_cpu: data.process_cpu.clone(), stop: stop.clone(), ..PrepareConfig::default() };
    let costs = LoggedCosts::from_trace(trace, &data.endpoints, &data.profile, &replayed.requests, &prepare);
    let (growth, seed) = (config.traffic.load, config.traffic.seed);
    let predictions = predict(&plan, &data.endpoints, costs.prepared(), &replayed.requests, growth, seed, &stop)?;
    let mut remarks = plan.remarks(&wsim_endpoints::table_for(Some(&plan.synapse))?.table);
    remarks.extend(Deployment::from_plan(&plan, &data.endpoints, costs.prepared())?.remarks);
    remarks.extend(without_requests_between_processes(&data.profile));
    let predicted = predictions.into_iter().map(|one| Predicted { id: one.group, p50: one.p50, p95: one.p95 }).collect();
    let secret = new_secret()?;
    let emulation_config = EmulationConfig {
        secret: secret.clone(),
        seed: arguments.reading.seed,
        without_row: WithoutRow::Free,
        key_source: KeySource::Log,
        ..EmulationConfig::default()
    };
    let cluster = EmulatedCluster::start(&plan, costs, emulation_config)?;
    let url = format!("http://{}", cluster.address());
    let scratch = tempfile::tempdir().context("could not make a temporary folder")?;
    let (checked, world) = in_runtime(async {
        let guard = Guard::new(Origin::OwnServer, GuardOverrides::default());
        let checked = check_target(url.parse()?, config.transport.clone(), guard, &KnownServers::default()).await?;
        let mut world = Manifest::new(&url, random_bytes()?);
        let survey = Survey::from_rows(&trace.names, replayed.requests.iter().copied());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 1000")]
        let copies = config.traffic.load.ceil().max(1.0) as u16;
        provision::design(&mut world, &survey, &trace.names, &WorldConfig { copies, ..WorldConfig::default() });
        let provision_config =
            ProvisionConfig { path: scratch.path().join("world.json"), concurrency: CONCURRENCY, accounts: AccountSource::Secret(secret) };
        provision::provision(&checked, &mut world, &provision_config, &|_| {}).await.context("could not provision the emulated cluster")?;
        Ok((checked, world))
    })?;
    Ok(Emulated { cluster, checked, world, plan, remarks, predicted })
}
