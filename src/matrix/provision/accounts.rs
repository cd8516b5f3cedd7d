//! Accounts: registered by the shared secret or taken from a list, their devices, and what belongs to one user alone.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use super::api::{Call, Reply, admin_path, client_path};
use super::work::{Work, refuse};
use super::{Accounts, ProvisionError};
use crate::body;
use crate::manifest::{Admin, Manifest, User};
use wsim_transport::Client;

/// A fresh account.
struct Account {
    user_id: String,
    token: String,
    device_id: String,
}

/// (copy, user).
pub(super) type Place = (usize, usize);

impl Work<'_> {
    /// An administrator, every user with a first device, and one guest for each copy.
    ///
    /// # Errors
    /// [`ProvisionError::Logged`] before any user is made, where only the administrator's id tells the server's name.
    pub(super) async fn accounts(&mut self, accounts: &Accounts, forbidden: &BTreeSet<String>) -> Result<(), ProvisionError> {
        match accounts {
            Accounts::Secret(secret) => {
                self.administrator(secret).await?;
                refuse(&self.manifest.server_name, forbidden)?;
                self.registered(secret).await
            }
            Accounts::Tokens(tokens) => {
                let (first, _) = tokens.first().ok_or(ProvisionError::NoAccounts)?;
                server_of(first).clone_into(&mut self.manifest.server_name);
                refuse(&self.manifest.server_name, forbidden)?;
                self.given(tokens).await
            }
        }
    }

    async fn administrator(&mut self, secret: &str) -> Result<(), ProvisionError> {
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

    async fn registered(&mut self, secret: &str) -> Result<(), ProvisionError> {
        let jobs = self.manifest.copies.iter().enumerate().flat_map(|(copy, population)| {
            let missing = population.users.iter().enumerate().filter(|(_, user)| user.user_id.is_none());
            missing.map(move |(place, user)| ((copy, place), user.localpart.clone()))
        });
        let jobs: Vec<_> =
            jobs.map(|(place, localpart)| (place, secret.to_owned(), self.manifest.password(&localpart), localpart)).collect();
        let call = |mut client: Client, (place, secret, password, localpart): (Place, String, String, String)| async move {
            let account = register(&mut client, &secret, &localpart, &password, false).await;
            (client, account.map(|account| (place, account)))
        };
        self.stage("accounts", jobs, call, |manifest, (place, account)| put_account(user_at(manifest, place), account)).await?;
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

    /// Gives the accounts of a list to users in order; users for whom there is none stay without.
    async fn given(&mut self, tokens: &[(String, String)]) -> Result<(), ProvisionError> {
        let users = || self.manifest.copies.iter().flat_map(|copy| &copy.users);
        let taken: std::collections::HashSet<&str> = users().filter_map(|user| user.user_id.as_deref()).collect();
        let free = tokens.iter().filter(|(user, _)| !taken.contains(user.as_str())).cloned();
        let missing = self.manifest.copies.iter().enumerate().flat_map(|(copy, population)| {
            let missing = population.users.iter().enumerate().filter(|(_, user)| user.user_id.is_none());
            missing.map(move |(place, _)| (copy, place))
        });
        let jobs: Vec<_> = missing.zip(free).collect();
        let call = |mut client: Client, (place, (user_id, token)): (Place, (String, String))| async move {
            let whoami = Call::get("checking a token", Some(&token), client_path(&["account", "whoami"])).send(&mut client).await;
            let account = whoami.and_then(|reply| {
                let device_id = reply.text("device_id").unwrap_or_default();
                if reply.text("user_id")? == user_id {
                    Ok((place, Account { user_id, token, device_id }))
                } else {
                    Err(ProvisionError::Lacks { what: "checking a token", field: "user_id that is the one given with it" })
                }
            });
            (client, account)
        };
        let put = |manifest: &mut Manifest, (place, account): (Place, Account)| {
            let user = user_at(manifest, place);
            if let Some(user) = user {
                user.localpart.clear();
                put_account(Some(user), account);
            }
        };
        self.stage("accounts", jobs, call, put).await
    }

    /// Further devices, by password.
    pub(super) async fn devices(&mut self) -> Result<(), ProvisionError> {
        let mut jobs = Vec::new();
        for (place, user) in users(self.manifest).filter(|(_, user)| !user.localpart.is_empty()) {
            let Some(id) = &user.user_id else { continue };
            let missing = user.devices.iter().enumerate().filter(|(_, device)| device.token.is_none());
            jobs.extend(missing.map(|(device, _)| (place, device, id.clone(), self.manifest.password(&user.localpart))));
        }
        let call = |mut client: Client, (place, device, id, password): (Place, usize, String, String)| async move {
            let account = login(&mut client, &id, &password).await;
            (client, account.map(|account| (place, device, account)))
        };
        self.stage("devices", jobs, call, |manifest, (place, device, account)| {
            if let Some(device) = user_at(manifest, place).and_then(|user| user.devices.get_mut(device)) {
                (device.device_id, device.token) = (Some(account.device_id), Some(account.token));
            }
        })
        .await
    }

    /// No rate limits for anybody, as far as an administrator can lift them.
    pub(super) async fn limits(&mut self) -> Result<(), ProvisionError> {
        let Some(admin) = self.manifest.admin.clone() else { return Ok(()) };
        let jobs = users(self.manifest).filter(|(_, user)| !user.unlimited);
        let jobs: Vec<_> = jobs.filter_map(|(place, user)| Some((place, user.user_id.clone()?, admin.token.clone()))).collect();
        let call = |mut client: Client, (place, id, token): (Place, String, String)| async move {
            let free = json!({"messages_per_second": 0, "burst_count": 0});
            let target = admin_path(&["v1", "users", &id, "override_ratelimit"]);
            let reply = Call::post("lifting rate limits", Some(&token), target, &free).repeatable().send(&mut client).await;
            (client, reply.map(|_| place))
        };
        self.stage("rate limits", jobs, call, |manifest, place| {
            if let Some(user) = user_at(manifest, place) {
                user.unlimited = true;
            }
        })
        .await
    }

    /// A filter as clients have it.
    pub(super) async fn filters(&mut self) -> Result<(), ProvisionError> {
        let jobs = with_token(self.manifest, |user| user.filter.is_none());
        let call = |mut client: Client, (place, id, token): (Place, String, String)| async move {
            let target = client_path(&["user", &id, "filter"]);
            let call = Call::post("making a filter", Some(&token), target, &body::filter()).repeatable();
            let reply = call.send(&mut client).await.and_then(|reply| reply.text("filter_id"));
            (client, reply.map(|filter| (place, filter)))
        };
        self.stage("filters", jobs, call, |manifest, (place, filter)| {
            if let Some(user) = user_at(manifest, place) {
                user.filter = Some(filter);
            }
        })
        .await
    }
}

/// All users of all copies with their places.
pub(super) fn users(manifest: &Manifest) -> impl Iterator<Item = (Place, &User)> {
    let copies = manifest.copies.iter().enumerate();
    copies.flat_map(|(copy, population)| population.users.iter().enumerate().map(move |(place, user)| ((copy, place), user)))
}

/// Users who have an account and a wish: place, id and token.
pub(super) fn with_token(manifest: &Manifest, wish: impl Fn(&User) -> bool) -> Vec<(Place, String, String)> {
    let some = users(manifest).filter(|(_, user)| wish(user));
    some.filter_map(|(place, user)| Some((place, user.user_id.clone()?, user.devices.first()?.token.clone()?))).collect()
}

pub(super) fn user_at(manifest: &mut Manifest, (copy, place): Place) -> Option<&mut User> {
    manifest.copies.get_mut(copy)?.users.get_mut(place)
}

fn put_account(user: Option<&mut User>, account: Account) {
    let Some(user) = user else { return };
    user.user_id = Some(account.user_id);
    if let Some(device) = user.devices.first_mut() {
        (device.device_id, device.token) = (Some(account.device_id), Some(account.token));
    }
}

/// Registers by the shared secret. An account of this name is ours, from a run that was interrupted before it could be noted: it is
/// logged in to.
async fn register(client: &mut Client, secret: &str, localpart: &str, password: &str, admin: bool) -> Result<Account, ProvisionError> {
    let what = "making an account";
    let path = "/_synapse/admin/v1/register";
    let reply = Call::get(what, None, path).any(client).await?;
    let nonce = if reply.status == 200 { reply.text("nonce")? } else { return Err(no_registration(&reply)) };
    let kind = if admin { "admin" } else { "notadmin" };
    let mac = mac(secret, &[&nonce, localpart, password, kind]);
    let wish = json!({"nonce": nonce, "username": localpart, "password": password, "admin": admin, "mac": mac});
    let reply = Call::post(what, None, path, &wish).any(client).await?;
    match (reply.status, reply.code()) {
        (200, _) => account(&reply),
        (400, "M_USER_IN_USE") => login(client, localpart, password).await,
        (400, "M_UNKNOWN") if reply.message().contains("not enabled") => Err(ProvisionError::NoSecret),
        (403, _) if reply.message().contains("HMAC") => Err(ProvisionError::WrongSecret),
        _ => Err(reply.refused()),
    }
}

fn no_registration(reply: &Reply) -> ProvisionError {
    match (reply.status, reply.code()) {
        (404, "M_UNRECOGNIZED") => ProvisionError::NoRegistration,
        (_, "") => ProvisionError::NoAdmin { status: reply.status },
        _ => reply.refused(),
    }
}

/// Hexadecimal HMAC-SHA-1 over words joined by NUL, as Synapse's registration API wants it.
fn mac(secret: &str, words: &[&str]) -> String {
    use std::fmt::Write;
    // Any length is a key for HMAC.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(words.join("\0").as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

async fn login(client: &mut Client, user: &str, password: &str) -> Result<Account, ProvisionError> {
    let wish: Value = json!({"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user}, "password": password});
    let reply = Call::post("making a device", None, client_path(&["login"]), &wish).repeatable().send(client).await?;
    account(&reply)
}

fn account(reply: &Reply) -> Result<Account, ProvisionError> {
    Ok(Account { user_id: reply.text("user_id")?, token: reply.text("access_token")?, device_id: reply.text("device_id")? })
}

fn server_of(user_id: &str) -> &str {
    user_id.split_once(':').map_or("", |(_, server)| server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_that_of_synapses_own_example() {
        // register_new_matrix_user computes: hmac.new(b"shared", b"nonce\0user\0pass\0notadmin", sha1)
        assert_eq!(mac("shared", &["nonce", "user", "pass", "notadmin"]), MAC);
    }

    const MAC: &str = "737c0af4aa7d80511c023f89589c8edc69410b3e";
}
