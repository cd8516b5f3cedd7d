//! `--target emulated`: starts and provisions the built-in cluster of a plan, and simulates the requests that are sent as a prediction.

use std::sync::Arc;

use anyhow::Context;

use super::super::UsageError;
use super::super::emulate::{new_secret, without_requests_between_processes};
use super::super::provision::{in_runtime, random_bytes};
use super::prepare;
use super::target::{ReplayInput, RunningTarget};
use wsim_emulate::{EmulatedCluster, EmulationConfig, KeySource, LoggedCosts, WithoutRow};
use wsim_matrix::provision::{self, AccountSource, ProvisionConfig, WorldConfig};
use wsim_matrix::{KnownServers, Manifest, Survey, check_target};
use wsim_plan::CheckedPlan;
use wsim_replay::guard::{Guard, GuardOverrides, Origin};
use wsim_report::replay::Predicted;
use wsim_simulate::StopFlag;
use wsim_simulate::deploy::Deployment;
use wsim_simulate::prediction::predict;
use wsim_simulate::prepare::PrepareConfig;
use wsim_trace::Request;

/// The cluster of a plan, to be started as often as it is needed.
pub(super) struct EmulatedPlan<'a> {
    pub(super) plan: CheckedPlan,
    /// What the plan cannot do as written, and what the log says about its selections.
    pub(super) remarks: Vec<String>,
    costs: LoggedCosts,
    /// For each replayed request, whether it is sent as far as that is known beforehand.
    sent: Vec<bool>,
    input: ReplayInput<'a>,
    stop: StopFlag,
}

/// Concurrent requests while provisioning.
const CONCURRENCY: usize = 16;

impl<'a> EmulatedPlan<'a> {
    /// Reads `--plan` and prepares the costs of the replayed requests.
    pub(super) fn new(input: ReplayInput<'a>) -> anyhow::Result<Self> {
        let ReplayInput { arguments, data, trace, replayed, left_out, progress, .. } = input;
        let text = arguments
            .plan
            .as_deref()
            .ok_or_else(|| UsageError("--target emulated needs --plan: a plan file, or a standard plan like generic:2".to_owned()))?;
        let plan = input.plan(text)?;
        let stop = StopFlag::from(Arc::clone(&progress.stop));
        let prepare = PrepareConfig { process_cpu: data.process_cpu.clone(), stop: stop.clone(), ..PrepareConfig::default() };
        let costs = LoggedCosts::from_trace(trace, &data.endpoints, &data.profile, &replayed.requests, &prepare);
        let mut remarks = plan.remarks(&wsim_endpoints::table_for(Some(&plan.synapse))?.table);
        remarks.extend(Deployment::from_plan(&plan, &data.endpoints, costs.prepared())?.remarks);
        remarks.extend(without_requests_between_processes(&data.profile));
        let script = prepare::script(arguments, &prepare::placeholder_world(trace, replayed), trace, replayed);
        let sent = replayed.rows(&script, left_out).iter().map(|row| row.skip.is_none()).collect();
        Ok(Self { plan, remarks, costs, sent, input, stop })
    }

    /// What the simulation predicts of the requests that are sent with this load: no others use the processes.
    pub(super) fn predict(&self, load: f64) -> anyhow::Result<Vec<Predicted>> {
        let is_sent = |row: usize| self.sent.get(row).copied().unwrap_or(false);
        let prepared = self.costs.prepared_of(is_sent);
        let requests = self.input.replayed.requests.iter().enumerate().filter(|(row, _)| is_sent(*row));
        let requests: Vec<Request> = requests.map(|(_, request)| *request).collect();
        let seed = self.input.config.traffic.seed;
        let predictions = predict(&self.plan, &self.input.data.endpoints, &prepared, &requests, load, seed, &self.stop)?;
        Ok(predictions.into_iter().map(|one| Predicted { id: one.group, p50: one.p50, p95: one.p95 }).collect())
    }

    /// Predicts a load, and starts and provisions a cluster for it.
    pub(super) fn start(&self, load: f64) -> anyhow::Result<RunningTarget> {
        let predicted = self.predict(load)?;
        let ReplayInput { config, trace, replayed, .. } = self.input;
        let secret = new_secret()?;
        let emulation_config = EmulationConfig {
            secret: secret.clone(),
            seed: config.traffic.seed,
            without_row: WithoutRow::Free,
            key_source: KeySource::Log,
            ..EmulationConfig::default()
        };
        let cluster = EmulatedCluster::start(&self.plan, self.costs.clone(), emulation_config)?;
        let url = format!("http://{}", cluster.address());
        let scratch = tempfile::tempdir().context("could not make a temporary folder")?;
        let (checked, world) = in_runtime(async {
            let guard = Guard::new(Origin::OwnServer, GuardOverrides::default());
            let checked = check_target(url.parse()?, config.transport.clone(), guard, &KnownServers::default()).await?;
            let mut world = Manifest::new(&url, random_bytes()?);
            let survey = Survey::from_rows(&trace.names, replayed.requests.iter().copied());
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 1000")]
            let copies = load.ceil().max(1.0) as u16;
            provision::design(&mut world, &survey, &trace.names, &WorldConfig { copies, ..WorldConfig::default() });
            let path = scratch.path().join("world.json");
            let provision_config = ProvisionConfig { path, concurrency: CONCURRENCY, accounts: AccountSource::Secret(secret) };
            provision::provision(&checked, &mut world, &provision_config, &|_| {})
                .await
                .context("could not provision the emulated cluster")?;
            Ok((checked, world))
        })?;
        Ok(RunningTarget { checked, world, cluster: Some(cluster), predicted })
    }
}
