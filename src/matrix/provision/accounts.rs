//! Creates accounts (with the registration secret) or takes them from a list; their devices, rate limits and filters.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use super::api::{ApiCall, ApiResponse, admin_path, client_path};
use super::provisioner::Provisioner;
use super::purge::deactivate;
use super::{AccountSource, ProvisionError};
use crate::body;
use crate::manifest::{Admin, Manifest, User};
use wsim_replay::guard::Guard;
use wsim_transport::Client;

/// An account with its first device.
struct Account {
    user_id: String,
    token: String,
    device_id: String,
}

/// Index of the copy, index of the user in it.
pub(super) type UserIndex = (usize, usize);

impl Provisioner<'_> {
    /// Creates an administrator, every user with a first device, and one guest for each copy.
    ///
    /// # Errors
    /// [`ProvisionError::Refused`] before any user is created, if only the administrator's id tells the server's name. The administrator is
    /// then removed again.
    pub(super) async fn create_accounts(&mut self, accounts: &AccountSource, guard: &Guard) -> Result<(), ProvisionError> {
        match accounts {
            AccountSource::Secret(secret) => {
                self.create_administrator(secret).await?;
                if let Err(refusal) = guard.check_name(&self.manifest.server_name) {
                    self.remove_administrator().await?;
                    return Err(refusal.into());
                }
                self.register_users(secret).await
            }
            AccountSource::Tokens(tokens) => {
                let (first, _) = tokens.first().ok_or(ProvisionError::NoAccounts)?;
                guard.check_name(server_of(first))?;
                server_of(first).clone_into(&mut self.manifest.server_name);
                self.assign_accounts(tokens).await
            }
        }
    }

    async fn remove_administrator(&mut self) -> Result<(), ProvisionError> {
        if let Some(admin) = self.manifest.admin.take() {
            deactivate(&mut self.client(), &admin.user_id, &admin.token).await?;
        }
        self.manifest.server_name.clear();
        self.save()
    }

    async fn create_administrator(&mut self, secret: &str) -> Result<(), ProvisionError> {
        if self.manifest.admin.is_none() {
            let localpart = format!("wsim-{}-admin", self.manifest.name);
            let password = self.manifest.password(&localpart);
            let account = register(&mut self.client(), secret, &localpart, &password, true).await?;
            server_of(&account.user_id).clone_into(&mut self.manifest.server_name);
            self.manifest.admin = Some(Admin { user_id: account.user_id, token: account.token });
            self.save()?;
        }
        Ok(())
    }

    async fn register_users(&mut self, secret: &str) -> Result<(), ProvisionError> {
        let jobs = self.manifest.copies.iter().enumerate().flat_map(|(copy, copy_state)| {
            let missing = copy_state.users.iter().enumerate().filter(|(_, user)| user.user_id.is_none());
            missing.map(move |(index, user)| ((copy, index), user.localpart.clone()))
        });
        let jobs: Vec<_> =
            jobs.map(|(index, localpart)| (index, secret.to_owned(), self.manifest.password(&localpart), localpart)).collect();
        let call = |mut client: Client, (index, secret, password, localpart): (UserIndex, String, String, String)| async move {
            let account = register(&mut client, &secret, &localpart, &password, false).await;
            (client, account.map(|account| (index, account)))
        };
        self.stage("accounts", jobs, call, |manifest, (index, account)| set_account(user_at(manifest, index), account)).await?;
        for copy in 0..self.manifest.copies.len() {
            if self.manifest.copies[copy].guest.is_none() {
                let localpart = format!("wsim-{}-{copy}-guest", self.manifest.name);
                let password = self.manifest.password(&localpart);
                let account = register(&mut self.client(), secret, &localpart, &password, false).await?;
                self.manifest.copies[copy].guest = Some(account.user_id);
            }
        }
        self.save()
    }

    /// Assigns the accounts of a list to users in order. If the list is too short, the last users stay without.
    async fn assign_accounts(&mut self, tokens: &[(String, String)]) -> Result<(), ProvisionError> {
        let users = || self.manifest.copies.iter().flat_map(|copy| &copy.users);
        let taken: std::collections::HashSet<&str> = users().filter_map(|user| user.user_id.as_deref()).collect();
        let free = tokens.iter().filter(|(user, _)| !taken.contains(user.as_str())).cloned();
        let missing = self.manifest.copies.iter().enumerate().flat_map(|(copy, copy_state)| {
            let missing = copy_state.users.iter().enumerate().filter(|(_, user)| user.user_id.is_none());
            missing.map(move |(index, _)| (copy, index))
        });
        let jobs: Vec<_> = missing.zip(free).collect();
        let call = |mut client: Client, (index, (user_id, token)): (UserIndex, (String, String))| async move {
            let whoami = ApiCall::get("checking a token", Some(&token), client_path(&["account", "whoami"])).send(&mut client).await;
            let account = whoami.and_then(|response| {
                let device_id = response.text("device_id").unwrap_or_default();
                if response.text("user_id")? == user_id {
                    Ok((index, Account { user_id, token, device_id }))
                } else {
                    Err(ProvisionError::MissingField { what: "checking a token", field: "user_id that is the one given with it" })
                }
            });
            (client, account)
        };
        let put = |manifest: &mut Manifest, (index, account): (UserIndex, Account)| {
            let user = user_at(manifest, index);
            if let Some(user) = user {
                user.localpart.clear();
                set_account(Some(user), account);
            }
        };
        self.stage("accounts", jobs, call, put).await
    }

    /// Creates further devices by password login.
    pub(super) async fn log_in_devices(&mut self) -> Result<(), ProvisionError> {
        let mut jobs = Vec::new();
        for (index, user) in users(self.manifest).filter(|(_, user)| !user.localpart.is_empty()) {
            let Some(id) = &user.user_id else { continue };
            let missing = user.devices.iter().enumerate().filter(|(_, device)| device.token.is_none());
            jobs.extend(missing.map(|(device, _)| (index, device, id.clone(), self.manifest.password(&user.localpart))));
        }
        let call = |mut client: Client, (index, device, id, password): (UserIndex, usize, String, String)| async move {
            let account = login(&mut client, &id, &password).await;
            (client, account.map(|account| (index, device, account)))
        };
        self.stage("devices", jobs, call, |manifest, (index, device, account)| {
            if let Some(device) = user_at(manifest, index).and_then(|user| user.devices.get_mut(device)) {
                (device.device_id, device.token) = (Some(account.device_id), Some(account.token));
            }
        })
        .await
    }

    /// Lifts rate limits of all users, as far as an administrator can.
    pub(super) async fn lift_rate_limits(&mut self) -> Result<(), ProvisionError> {
        let Some(admin) = self.manifest.admin.clone() else { return Ok(()) };
        let jobs = users(self.manifest).filter(|(_, user)| !user.unlimited);
        let jobs: Vec<_> = jobs.filter_map(|(index, user)| Some((index, user.user_id.clone()?, admin.token.clone()))).collect();
        let call = |mut client: Client, (index, id, token): (UserIndex, String, String)| async move {
            let free = json!({"messages_per_second": 0, "burst_count": 0});
            let target = admin_path(&["v1", "users", &id, "override_ratelimit"]);
            let response = ApiCall::post("lifting rate limits", Some(&token), target, &free).repeatable().send(&mut client).await;
            (client, response.map(|_| index))
        };
        self.stage("rate limits", jobs, call, |manifest, index| {
            if let Some(user) = user_at(manifest, index) {
                user.unlimited = true;
            }
        })
        .await
    }

    /// Creates a filter like clients do.
    pub(super) async fn create_filters(&mut self) -> Result<(), ProvisionError> {
        let jobs = with_token(self.manifest, |user| user.filter.is_none());
        let call = |mut client: Client, (index, id, token): (UserIndex, String, String)| async move {
            let target = client_path(&["user", &id, "filter"]);
            let call = ApiCall::post("creating a filter", Some(&token), target, &body::filter()).repeatable();
            let response = call.send(&mut client).await.and_then(|response| response.text("filter_id"));
            (client, response.map(|filter| (index, filter)))
        };
        self.stage("filters", jobs, call, |manifest, (index, filter)| {
            if let Some(user) = user_at(manifest, index) {
                user.filter = Some(filter);
            }
        })
        .await
    }
}

/// All users of all copies with their indices.
pub(super) fn users(manifest: &Manifest) -> impl Iterator<Item = (UserIndex, &User)> {
    let copies = manifest.copies.iter().enumerate();
    copies.flat_map(|(copy, copy_state)| copy_state.users.iter().enumerate().map(move |(index, user)| ((copy, index), user)))
}

/// The users with an account that `predicate` selects: index, id and token.
pub(super) fn with_token(manifest: &Manifest, predicate: impl Fn(&User) -> bool) -> Vec<(UserIndex, String, String)> {
    let some = users(manifest).filter(|(_, user)| predicate(user));
    some.filter_map(|(index, user)| Some((index, user.user_id.clone()?, user.devices.first()?.token.clone()?))).collect()
}

pub(super) fn user_at(manifest: &mut Manifest, (copy, index): UserIndex) -> Option<&mut User> {
    manifest.copies.get_mut(copy)?.users.get_mut(index)
}

fn set_account(user: Option<&mut User>, account: Account) {
    let Some(user) = user else { return };
    user.user_id = Some(account.user_id);
    if let Some(device) = user.devices.first_mut() {
        (device.device_id, device.token) = (Some(account.device_id), Some(account.token));
    }
}

/// Registers an account with the shared secret. If the name is taken, a run was interrupted before it could save the account: logs in to it.
async fn register(client: &mut Client, secret: &str, localpart: &str, password: &str, admin: bool) -> Result<Account, ProvisionError> {
    let what = "creating an account";
    let path = "/_synapse/admin/v1/register";
    let response = ApiCall::get(what, None, path).send_any_status(client).await?;
    let nonce = if response.status == 200 { response.text("nonce")? } else { return Err(no_registration(&response)) };
    let kind = if admin { "admin" } else { "notadmin" };
    let mac = mac(secret, &[&nonce, localpart, password, kind]);
    let content = json!({"nonce": nonce, "username": localpart, "password": password, "admin": admin, "mac": mac});
    let response = ApiCall::post(what, None, path, &content).send_any_status(client).await?;
    match (response.status, response.code()) {
        (200, _) => account(&response),
        (400, "M_USER_IN_USE") => login(client, localpart, password).await,
        (400, "M_UNKNOWN") if response.message().contains("not enabled") => Err(ProvisionError::NoSecret),
        (403, _) if response.message().contains("HMAC") => Err(ProvisionError::WrongSecret),
        _ => Err(response.to_error()),
    }
}

fn no_registration(response: &ApiResponse) -> ProvisionError {
    match (response.status, response.code()) {
        (404, "M_UNRECOGNIZED") => ProvisionError::NoRegistration,
        (_, "") => ProvisionError::NoAdmin { status: response.status },
        _ => response.to_error(),
    }
}

/// Hexadecimal HMAC-SHA-1 over words joined by NUL, for Synapse's registration API.
fn mac(secret: &str, words: &[&str]) -> String {
    use std::fmt::Write;
    // HMAC accepts keys of any length.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(words.join("\0").as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

async fn login(client: &mut Client, user: &str, password: &str) -> Result<Account, ProvisionError> {
    let content: Value = json!({"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user}, "password": password});
    let response = ApiCall::post("creating a device", None, client_path(&["login"]), &content).repeatable().send(client).await?;
    account(&response)
}

fn account(response: &ApiResponse) -> Result<Account, ProvisionError> {
    Ok(Account { user_id: response.text("user_id")?, token: response.text("access_token")?, device_id: response.text("device_id")? })
}

fn server_of(user_id: &str) -> &str {
    user_id.split_once(':').map_or("", |(_, server)| server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_equals_that_of_synapses_own_script() {
        // register_new_matrix_user computes: hmac.new(b"shared", b"nonce\0user\0pass\0notadmin", sha1)
        assert_eq!(mac("shared", &["nonce", "user", "pass", "notadmin"]), MAC);
    }

    const MAC: &str = "737c0af4aa7d80511c023f89589c8edc69410b3e";
}
