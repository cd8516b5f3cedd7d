//! Stages: makes many calls of one kind concurrently, puts their results into the manifest and saves it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::api::{ApiCall, client_path};
use super::{Progress, ProvisionConfig, ProvisionError};
use crate::{CheckedTarget, Manifest};
use wsim_transport::Client;

/// Fills a manifest by calls to its target.
pub(super) struct Provisioner<'a> {
    pub(super) manifest: &'a mut Manifest,
    /// Idle clients, each with a connection.
    clients: Vec<Client>,
    path: PathBuf,
    saved: Instant,
    show: &'a dyn Fn(Progress),
}

impl<'a> Provisioner<'a> {
    pub(super) fn new(
        target: &CheckedTarget,
        manifest: &'a mut Manifest,
        config: &ProvisionConfig,
        show: &'a dyn Fn(Progress),
    ) -> Result<Self, ProvisionError> {
        let here = target.connector.target().to_string();
        if manifest.target != here {
            return Err(ProvisionError::OtherTarget { there: manifest.target.clone(), here });
        }
        let clients = (0..config.concurrency.max(1)).map(|_| Client::new(target.connector.clone())).collect();
        Ok(Self { manifest, clients, path: config.path.clone(), saved: Instant::now(), show })
    }

    /// A client for sequential calls.
    pub(super) fn client(&mut self) -> Client {
        // There is always one, because a stage returns all clients.
        self.clients[0].clone()
    }

    /// Checks that the target knows the accounts of this world.
    pub(super) async fn check_world_is_known(&mut self) -> Result<(), ProvisionError> {
        let known = self.manifest.admin.as_ref().map(|admin| &admin.token).or(self.manifest.marker.as_ref().map(|marker| &marker.token));
        let Some(token) = known.cloned() else { return Ok(()) };
        let target = client_path(&["account", "whoami"]);
        let response = ApiCall::get("checking the accounts of the world", Some(&token), target).send_any_status(&mut self.client()).await?;
        if response.status == 401 { Err(ProvisionError::WorldUnknown) } else { Ok(()) }
    }

    pub(super) fn save(&mut self) -> Result<(), ProvisionError> {
        self.manifest.save(&self.path)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Runs jobs concurrently and puts each result into the manifest. After the first error the calls in flight are finished and their results
    /// kept, then the stage ends.
    pub(super) async fn stage<J, R, F>(
        &mut self,
        stage: &'static str,
        jobs: Vec<J>,
        call: impl Fn(Client, J) -> F,
        put: impl Fn(&mut Manifest, R),
    ) -> Result<(), ProvisionError>
    where
        R: Send + 'static,
        F: Future<Output = (Client, Result<R, ProvisionError>)> + Send + 'static,
    {
        let total = jobs.len();
        if total == 0 {
            return Ok(());
        }
        let (mut jobs, mut running, mut done) = (VecDeque::from(jobs), JoinSet::new(), 0);
        let mut failed = None;
        (self.show)(Progress { stage, done, total });
        loop {
            while failed.is_none()
                && !jobs.is_empty()
                && let Some(client) = self.clients.pop()
                && let Some(job) = jobs.pop_front()
            {
                running.spawn(call(client, job));
            }
            let Some(ended) = running.join_next().await else { break };
            // A panic in a task is a defect and goes on here.
            let (client, result) = match ended {
                Ok(ended) => ended,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            self.clients.push(client);
            match result {
                Ok(result) => {
                    put(self.manifest, result);
                    done += 1;
                    (self.show)(Progress { stage, done, total });
                }
                Err(error) => failed = failed.or(Some(error)),
            }
            if self.saved.elapsed() > SAVE_EVERY {
                self.save()?;
            }
        }
        self.save()?;
        failed.map_or(Ok(()), Err)
    }
}

/// How much work an interruption may lose.
const SAVE_EVERY: Duration = Duration::from_secs(2);
