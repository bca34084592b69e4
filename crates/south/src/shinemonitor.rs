//! Accounts of ShineMonitor clouds. Their addresses are the administrator's own, so no guard stands in front.

use std::time::Duration;

use dialects::shinemonitor::client::{
    AccountSettings, Client, CloudSettings, Finder, FoundDevice, FoundLogger, Place, SignIn, Table,
};
use dialects::shinemonitor::rc4::PasswordHash;
use jiff::tz::TimeZone;
use links::Limits;
use model::device::Device;
use model::shinemonitor::{ShinemonitorAccount, ShinemonitorLogin};
use model::time::Clock;

use crate::discover::{Behind, Nameable};
use crate::driver::{Driver, Misfit};
use crate::websocket::secret;

/// The service takes tens of seconds at times, and does not answer at others.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(10),
    timeout: Duration::from_secs(20),
    // A day of a device with sixty fields, kept every minute.
    max_body: 4 * 1024 * 1024,
};

/// One client for all devices of an account.
pub(crate) fn account(account: &ShinemonitorAccount, devices: &[Device]) -> Result<Driver, Misfit> {
    let mut places = Vec::new();
    for device in devices {
        let unit = device
            .link
            .via()
            .map(|(_, unit)| unit.as_str())
            .unwrap_or_default();
        let place = Place::read(unit).ok_or_else(|| {
            Misfit(format!(
                "device \"{}\": `{unit}` is no device of a cloud; check `unit`",
                device.name
            ))
        })?;
        places.push((place, device.period));
    }
    let zone = account.time_zone.as_deref().map(|name| {
        TimeZone::get(name).map_err(|_| Misfit(format!("there is no time zone `{name}`; check time_zone")))
    });
    let settings = CloudSettings {
        account: who(account)?,
        zone: zone.transpose()?,
        past_days: account.past_days,
        table: Table::built_in().map_err(|error| Misfit(error.to_string()))?,
        places,
    };
    Ok(Driver {
        client: Box::new(Client::new(settings)),
        transport: Box::new(transport(account)?),
    })
}

fn who(account: &ShinemonitorAccount) -> Result<AccountSettings, Misfit> {
    Ok(AccountSettings {
        url: account.url.clone(),
        user: account.user.clone(),
        password: PasswordHash::of_password(&secret(&account.password_file)?),
        company_key: account.company_key.clone(),
        sign_in: match account.login {
            ShinemonitorLogin::Source => SignIn::Source,
            ShinemonitorLogin::Plain => SignIn::Plain,
            ShinemonitorLogin::Email => SignIn::Email,
        },
        apps: account.apps.clone(),
    })
}

fn transport(account: &ShinemonitorAccount) -> Result<links::http::Client, Misfit> {
    let authority = account.ca_file.as_deref().map(secret).transpose()?;
    links::http::Client::trusting(LIMITS, authority.as_deref()).map_err(|failure| Misfit(failure.to_string()))
}

/// Asks an account what it has, one call a second.
pub(crate) async fn find(account: &ShinemonitorAccount, clock: &dyn Clock) -> Result<Behind, String> {
    let misfit = |misfit: Misfit| misfit.to_string();
    let http = transport(account).map_err(misfit)?;
    let table = Table::built_in().map_err(|error| error.to_string())?;
    let mut finder = Finder::new(who(account).map_err(misfit)?);
    while let Some(request) = finder.request(clock.now())? {
        match http.send(request).await {
            Ok(reply) => finder.take(&reply)?,
            Err(failure) => finder.unanswered(&failure.to_string())?,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(Behind {
        notes: notes(&finder),
        devices: finder
            .devices
            .iter()
            .map(|device| nameable(device, &table))
            .collect(),
    })
}

fn notes(found: &Finder) -> Vec<String> {
    let mut notes = Vec::new();
    let logger = |logger: &FoundLogger| {
        let state = if logger.is_online { "online" } else { "offline" };
        let period = logger.period_s;
        let period = period.map_or_else(String::new, |period| format!(", tells every {period} s"));
        format!("  logger {} \"{}\", {state}{period}", logger.pn, logger.alias)
    };
    for plant in &found.plants {
        notes.push(format!("plant {} \"{}\"", plant.number, plant.name));
        let of_plant = found
            .loggers
            .iter()
            .filter(|logger| logger.plant == Some(plant.number));
        notes.extend(of_plant.map(logger));
    }
    let is_known = |number: Option<i64>| found.plants.iter().any(|plant| Some(plant.number) == number);
    let others = found.loggers.iter().filter(|logger| !is_known(logger.plant));
    notes.extend(others.map(logger));
    notes
}

/// Device types are protocols; what speaks the most common ones is known.
fn nameable(device: &FoundDevice, table: &Table) -> Nameable {
    const METERS: [i64; 2] = [1_024, 3_072];
    const BATTERIES: [i64; 2] = [1_792, 2_304];
    const CHARGER: i64 = 2_048;
    let devcode = device.name.devcode;
    let kinds = match devcode {
        CHARGER => Vec::new(),
        _ if METERS.contains(&devcode) => vec![("meter", Some("grid"))],
        _ if BATTERIES.contains(&devcode) => vec![("battery", None)],
        _ if table.is_grouped(devcode) => {
            vec![
                ("inverter", None),
                ("battery", None),
                ("meter", Some("consumption")),
            ]
        }
        _ => vec![("inverter", None)],
    };
    let name = if device.alias.is_empty() {
        &device.name.sn
    } else {
        &device.alias
    };
    Nameable {
        unit: device.name.to_string(),
        name: name.clone(),
        kinds,
    }
}
