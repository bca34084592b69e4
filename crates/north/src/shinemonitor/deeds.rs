//! What an action changes. Wishes go to the desk of the site; what is about accounts goes to the gate, which keeps
//! its audit log; what people say about a plant is kept in its sheet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dialects::eybond::parameters;
use dialects::shinemonitor::DIALECT;
use dialects::shinemonitor::error::{Code, Refusal};
use dialects::shinemonitor::rc4;
use dialects::shinemonitor::scene::{Role, Sheet};
use dialects::shinemonitor::want::{Deed, Done};
use gate::{Account, Action, By, DoorCaller, Subject, Thing};
use model::id::SiteId;
use model::intent::{Intent, Wanted};
use model::message::Message;
use model::noun::Noun;
use model::plant::PlantSheet;
use model::secret::Secret;
use model::site::Position;
use model::user::Role as Rights;
use store::StoreError;

use super::sessions::refusal;
use super::{Shell, accounts, failed};
use crate::loggers;

/// Accounts that one account may make. All accounts together have a bound as well, which nobody is to use up alone.
const MOST_BROWSERS: usize = 100;

impl Shell {
    pub(super) async fn carry_out(
        &self,
        deed: Deed,
        caller: &DoorCaller,
        from: IpAddr,
    ) -> Result<Done, Refusal> {
        match deed {
            Deed::Wanted { site, wanted } => self.file(site, wanted, caller).await,
            Deed::EditPlant {
                pid,
                name,
                position,
                sheet,
            } => self.edit_plant(pid, name, position, *sheet, caller).await,
            Deed::Renew => {
                let session = self.open(caller).await?;
                Ok(Done::Session(Box::new(session)))
            }
            Deed::ChangePassword { sent } => self.change_password(&sent, caller).await,
            Deed::AddBrowser {
                name,
                sent,
                mobile,
                email,
                description,
                is_enabled,
                plants,
            } => {
                let wanted = Account {
                    email: (!email.is_empty()).then_some(email),
                    enabled: is_enabled,
                    sites: self.viewed(&plants, caller).await?,
                    ..Account::new(&name)
                };
                let texts = [("mobile", mobile), ("description", description)];
                let wanted = accounts::with_texts(accounts::with_role(wanted, Role::Browser), texts);
                self.add_browser(wanted, &sent, caller).await
            }
            Deed::AddLogger { pid, pn, code } => self.add_logger(pid, &pn, &code, caller, from).await,
        }
    }

    async fn file(&self, site: SiteId, wanted: Wanted, caller: &DoorCaller) -> Result<Done, Refusal> {
        check(caller, &Action::Steer, &site)?;
        let intent = Intent {
            site,
            by: caller.principal.name.clone(),
            door: DIALECT.name.to_owned(),
            wanted,
        };
        match self.state.bus.ask(intent).await {
            Ok(receipt) if receipt.said.is_empty() => Ok(Done::Plain),
            Ok(receipt) => Ok(Done::Answered(Some(receipt.said))),
            Err(rejection) => {
                tracing::debug!(%rejection, "a ShineMonitor control was refused");
                Err(Refusal::from(&rejection))
            }
        }
    }

    /// Whoever asks keeps others from changing it meanwhile.
    async fn edit_plant(
        &self,
        pid: i64,
        name: Option<String>,
        position: Option<Position>,
        sheet: Sheet,
        caller: &DoorCaller,
    ) -> Result<Done, Refusal> {
        let site = self.names().await?.site(pid).ok_or(Code::NoPlant)?;
        check(caller, &Action::EditPlants, site)?;
        let state = &self.state;
        let unread = |error: StoreError| failed("cannot keep the sheet of a plant", &error);
        let sheets = self.sheets.all(state.store.as_ref()).await.map_err(unread)?;
        let now = state.clock.now().wall;
        let mut kept = sheets
            .get(site)
            .cloned()
            .unwrap_or_else(|| PlantSheet::new(site.clone(), now));
        kept.name = name.or(kept.name);
        kept.position = position.or(kept.position);
        kept.sheet = sheet;
        let put = self.sheets.put(&state.store, kept);
        put.await.map_err(unread)?;
        let kind = PlantSheet::KIND;
        let action = format!("put {kind} {site}");
        let noted = state
            .gate
            .audit(&caller.principal.name, DIALECT.name, &action, "done")
            .await;
        if let Err(error) = noted {
            tracing::warn!("cannot note that {} has {action}: {error}", caller.principal.name);
        }
        let kind = kind.to_owned();
        state.bus.publish(Message::NounsChanged { kind }).await;
        Ok(Done::Plain)
    }

    /// A number and its one-time code, which was made for the site of the plant, become the logger of a gateway there
    /// that has none. Whatever is wrong with them is answered alike.
    async fn add_logger(
        &self,
        pid: i64,
        pn: &str,
        code: &str,
        caller: &DoorCaller,
        from: IpAddr,
    ) -> Result<Done, Refusal> {
        let state = &self.state;
        if !state.settings.shinemonitor.registration {
            return Err(Code::Forbidden.into());
        }
        let id = self.names().await?.site(pid).ok_or(Code::NoPlant)?;
        check(caller, &Action::EditPlants, id)?;
        let mut sites = state.settings.sites.iter();
        let site = sites.find(|site| site.id == *id).ok_or(Code::NoPlant)?;
        let open = || {
            let states = (state.loggers.states)();
            let is_known = states.get(pn).is_some_and(|state| state.accepted.is_some());
            let gateway = loggers::vacant(state, site, &states).into_iter().next();
            gateway.filter(|_| !is_known)
        };
        // Before the code is used up. A wrong one takes its time, so nobody waits for that.
        if open().is_none() || parameters::number(pn.as_bytes()) != Some(pn) {
            return Err(Code::BadPn.into());
        }
        if self.redeem(pn, code, from).await? != *id {
            return Err(Code::BadPn.into());
        }
        let _changing = state.changing.lock().await;
        let gateway = open().ok_or(Code::BadPn)?;
        let accepted = loggers::accept(state, gateway, pn).await;
        accepted.map_err(|error| failed("cannot keep which data logger a gateway is", &error))?;
        let action = format!("accept data logger {pn} as {}", gateway.id);
        let by = &caller.principal.name;
        let noted = state.gate.audit(by, DIALECT.name, &action, "done").await;
        if let Err(error) = noted {
            tracing::warn!("cannot note that {by} has {action}: {error}");
        }
        Ok(Done::Plain)
    }

    /// The new password comes encoded with the present one.
    async fn change_password(&self, sent: &str, caller: &DoorCaller) -> Result<Done, Refusal> {
        let (gate, thing) = (&self.state.gate, &caller.access.thing);
        let Thing::Account(number) = *thing else {
            return Err(Code::NotAuthenticated.into());
        };
        let present = gate.credential(&DIALECT, thing);
        let present = present.map_err(|error| failed("cannot read a ShineMonitor password", &error))?;
        let present = present.ok_or(Code::NotAuthenticated)?;
        let new = rc4::decode(present.expose(), sent)?;
        let new = Secret::new(new.expose());
        let by = By::new(&caller.principal, DIALECT.name);
        let set = gate.set_account_password(&by, &DIALECT, number, &new, Some(caller));
        set.await.map_err(refusal)?;
        Ok(Done::Plain)
    }

    /// What somebody is to see: these plants, or without a word all that the caller may change.
    async fn viewed(&self, plants: &[i64], caller: &DoorCaller) -> Result<BTreeMap<SiteId, Rights>, Refusal> {
        let names = self.names().await?;
        let named: Vec<&SiteId> = plants.iter().filter_map(|pid| names.site(*pid)).collect();
        let sites: Vec<&SiteId> = if plants.is_empty() {
            let own = |site: &&SiteId| check(caller, &Action::EditPlants, site).is_ok();
            names.plants.keys().filter(own).collect()
        } else {
            named
        };
        sites
            .iter()
            .try_for_each(|site| check(caller, &Action::EditPlants, site))?;
        let sites = sites.into_iter().cloned();
        Ok(sites.map(|site| (site, Rights::Viewer)).collect())
    }

    /// Its password comes encoded with the secret of the session.
    async fn add_browser(&self, wanted: Account, sent: &str, caller: &DoorCaller) -> Result<Done, Refusal> {
        let password = rc4::decode(caller.secret().expose(), sent)?;
        let own = self.account(caller)?;
        let accounts = self.state.gate.accounts(&DIALECT);
        let made = accounts.iter().filter(|kept| kept.made_by == Some(own.number));
        if made.count() >= MOST_BROWSERS {
            return Err(Code::TooMany.into());
        }
        let wanted = Account {
            made_by: Some(own.number),
            ..wanted
        };
        let by = By::new(&caller.principal, DIALECT.name);
        let password = Secret::new(password.expose());
        let made = self
            .state
            .gate
            .create_account(&by, &DIALECT, wanted, &password)
            .await;
        made.map_err(refusal)?;
        Ok(Done::Plain)
    }
}

fn check(caller: &DoorCaller, action: &Action, site: &SiteId) -> Result<(), Refusal> {
    if gate::may(&caller.principal, action, &Subject::Site(site)) {
        Ok(())
    } else {
        Err(Code::NoPermission.into())
    }
}
