//! The actions: one row each.

mod accounts;
mod collectors;
mod control;
mod data;
mod devices;
mod energy;
mod parameters;
mod plants;
mod power;
mod session;
mod storage;
mod warnings;
mod web;

use std::fmt;

use serde_json::{Value, json};

use super::error::{Code, Refusal};
use super::params::Params;
use super::scene::Scene;
use super::want::{Fetched, Got, Want};
use super::wire::Dat;

pub use session::login_dat;

/// One action.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    /// It changes something.
    pub writes: bool,
    /// What it leaves as it is, it takes from the scene: nobody else may change it from the scene on until it is done.
    pub edits: bool,
    pub kind: Kind,
}

/// How an action is answered.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A name and a password become a session; answered with [`login_dat`].
    Login { by_email: bool },
    /// A new account; answered with [`login_dat`].
    Registration,
    /// The same for everybody.
    Open(fn() -> Dat),
    /// From the scene alone.
    Known(fn(Params<'_>, &Scene<'_>) -> Result<Dat, Refusal>),
    /// From the scene and what has to be fetched or done first.
    Asking { wants: Wants, answer: Answer },
}

pub type Wants = fn(Params<'_>, &Scene<'_>) -> Result<Vec<Want>, Refusal>;
pub type Answer = fn(Params<'_>, &Scene<'_>, &mut Fetched) -> Result<Dat, Refusal>;

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Login { .. } => "Login",
            Self::Registration => "Registration",
            Self::Open(_) => "Open",
            Self::Known(_) => "Known",
            Self::Asking { .. } => "Asking",
        })
    }
}

impl Row {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            writes: false,
            edits: false,
            kind,
        }
    }

    const fn known(name: &'static str, answer: fn(Params<'_>, &Scene<'_>) -> Result<Dat, Refusal>) -> Self {
        Self::new(name, Kind::Known(answer))
    }

    const fn asking(name: &'static str, wants: Wants, answer: Answer) -> Self {
        Self::new(name, Kind::Asking { wants, answer })
    }

    const fn writing(name: &'static str, wants: Wants, answer: Answer) -> Self {
        Self {
            writes: true,
            ..Self::asking(name, wants, answer)
        }
    }

    const fn editing(name: &'static str, wants: Wants, answer: Answer) -> Self {
        Self {
            edits: true,
            ..Self::writing(name, wants, answer)
        }
    }

    /// What has to be fetched or done for the answer.
    ///
    /// # Errors
    /// When a parameter is missing or makes no sense, or the account may not.
    pub fn wants(&self, params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
        match self.kind {
            Kind::Asking { wants, .. } => wants(params, scene),
            Kind::Login { .. } | Kind::Registration | Kind::Open(_) | Kind::Known(_) => Ok(Vec::new()),
        }
    }

    /// `got` answers the wants one by one.
    ///
    /// # Errors
    /// As [`Row::wants`], and where there is nothing to show.
    pub fn answer(&self, params: Params<'_>, scene: &Scene<'_>, got: Vec<Got>) -> Result<Dat, Refusal> {
        match self.kind {
            Kind::Asking { answer, .. } => answer(params, scene, &mut Fetched::new(got)),
            Kind::Known(answer) => answer(params, scene),
            Kind::Open(answer) => Ok(answer()),
            // These have no session yet, so there is no scene to answer from.
            Kind::Login { .. } | Kind::Registration => Err(Code::NotAuthenticated.into()),
        }
    }
}

/// The row of an action; capitals count.
#[must_use]
pub fn row(name: &str) -> Option<&'static Row> {
    let at = TABLE.binary_search_by(|row| row.name.cmp(name)).ok()?;
    TABLE.get(at)
}

/// One page of a list; of an empty one there is none.
fn paged<T>(
    params: Params<'_>,
    name: &str,
    default_size: usize,
    all: &[T],
    empty: Code,
    show: impl Fn(&T) -> Value,
) -> Result<Dat, Refusal> {
    if all.is_empty() {
        return Err(empty.into());
    }
    let page = params.page(default_size);
    let mut dat = json!({"total": all.len(), "page": page.page, "pagesize": page.size});
    dat[name] = page.of(all).iter().map(show).collect();
    Ok(Some(dat))
}

/// Every action that is answered, sorted by name.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    Row::writing("addCollectorToPlant", collectors::wants_add, session::done),
    Row::known("addPlant", plants::add),
    Row::writing("addPlantBrowser", accounts::wants_browser, session::done),
    Row::new("auth", Kind::Login { by_email: false }),
    Row::new("authEmail", Kind::Login { by_email: true }),
    Row::new("authSource", Kind::Login { by_email: false }),
    Row::writing("ctrlDevice", control::wants_set, control::set),
    Row::editing("editPlant", plants::wants_edit, session::done),
    Row::known("queryAccountInfo", session::account_info),
    Row::known("queryCollectorCount", collectors::count),
    Row::known("queryCollectorCountEs", collectors::count),
    Row::known("queryCollectorDevices", collectors::devices),
    Row::known("queryCollectorInfo", collectors::info),
    Row::known("queryCollectorStatus", collectors::status),
    Row::known("queryCollectors", collectors::list),
    Row::known("queryDeviceActiveOuputPowerCurrent", power::device_current),
    Row::asking("queryDeviceActiveOuputPowerOneDay", power::wants_device_day, power::of_device_day),
    Row::asking("queryDeviceActiveOuputPowerOneDay24Hour", power::wants_device_day, power::of_device_24_hours),
    Row::asking("queryDeviceChartFieldDetailData", web::wants_detail, web::detail),
    Row::known("queryDeviceChartsFieldsEs", web::fields_es),
    Row::known("queryDeviceCount", devices::count),
    Row::known("queryDeviceCtrlField", control::list),
    Row::known("queryDeviceCtrlValue", control::value),
    Row::asking("queryDeviceDataOneDay", data::wants_day, data::of_day),
    Row::asking("queryDeviceDataOneDayPaging", data::wants_day, data::of_day_page),
    Row::asking("queryDeviceEnergyDay", energy::wants_device_day, energy::whole),
    Row::asking("queryDeviceEnergyMonth", energy::wants_device_month, energy::whole),
    Row::asking("queryDeviceEnergyMonthPerDay", energy::wants_device_per_day, energy::of_device_per_day),
    Row::asking("queryDeviceEnergyTotal", energy::wants_device_total, energy::of_device_total),
    Row::asking("queryDeviceEnergyTotalPerYear", energy::wants_device_per_year, energy::of_device_per_year),
    Row::asking("queryDeviceEnergyYear", energy::wants_device_year, energy::whole),
    Row::asking("queryDeviceEnergyYearPerMonth", energy::wants_device_per_month, energy::of_device_per_month),
    Row::known("queryDeviceFields", web::fields),
    Row::known("queryDeviceInfo", devices::info),
    Row::asking("queryDeviceKeyParameterMonth", parameters::wants_month, parameters::of_month),
    Row::asking("queryDeviceKeyParameterOneDay", parameters::wants_day, parameters::of_day),
    Row::asking("queryDeviceLastData", data::wants_last, data::of_last),
    Row::known("queryDeviceLastRawData", data::raw),
    Row::asking("queryDeviceParsEs", storage::wants_pars, storage::pars),
    Row::known("queryDeviceRawDataOneDay", data::raw_of_day),
    Row::asking("queryDeviceRealLastData", data::wants_real, data::of_real),
    Row::known("queryDeviceStatus", devices::status),
    Row::known("queryDeviceViewField", web::view_fields),
    Row::asking("queryDeviceWarning", warnings::wants_device, warnings::device),
    Row::asking("queryDeviceWarningCount", warnings::wants_device, warnings::device_count),
    Row::known("queryDevices", devices::list),
    Row::new("queryDomainListNotLogin", Kind::Open(session::domains)),
    Row::known("queryPlantActiveOuputPowerCurrent", power::current),
    Row::asking("queryPlantActiveOuputPowerOneDay", power::wants_plant_day, power::of_plant_day),
    Row::known("queryPlantCount", plants::count),
    Row::asking("queryPlantCurrentData", web::wants_current, web::current),
    Row::known("queryPlantDeviceChartsFields", web::fields_of_type),
    Row::known("queryPlantDeviceChartsFieldsByType", web::fields_of_protocol),
    Row::asking("queryPlantDeviceDesignatedInformation", web::wants_designated, web::designated),
    Row::known("queryPlantDeviceStatus", plants::device_status),
    Row::known("queryPlantDeviceView", plants::device_view),
    Row::asking("queryPlantEnergyDay", energy::wants_plant_day, energy::whole),
    Row::asking("queryPlantEnergyMonth", energy::wants_plant_month, energy::whole),
    Row::asking("queryPlantEnergyMonthPerDay", energy::wants_plant_per_day, energy::of_plant_per_day),
    Row::asking("queryPlantEnergyTotal", energy::wants_plant_total, energy::of_plant_total),
    Row::asking("queryPlantEnergyTotalPerYear", energy::wants_plant_per_year, energy::of_plant_per_year),
    Row::asking("queryPlantEnergyYear", energy::wants_plant_year, energy::whole),
    Row::asking("queryPlantEnergyYearPerMonth", energy::wants_plant_per_month, energy::of_plant_per_month),
    Row::known("queryPlantInfo", plants::info),
    Row::known("queryPlantOwners", accounts::owners),
    Row::asking("queryPlantWarning", warnings::wants_plant, warnings::plant),
    Row::asking("queryPlantWarningCount", warnings::wants_plant, warnings::plant_count),
    Row::known("queryPlants", plants::list),
    Row::known("queryPlantsActiveOuputPowerCurrent", power::plants_current),
    Row::asking("queryPlantsActiveOuputPowerOneDay", power::wants_plants_day, power::of_plants_day),
    Row::asking("queryPlantsEnergyMonthPerDay", energy::wants_plants_per_day, energy::of_plants_per_day),
    Row::asking("queryPlantsEnergyTotal", energy::wants_plants_total, energy::of_plants_total),
    Row::asking("queryPlantsEnergyTotalPerYear", energy::wants_plants_per_year, energy::of_plants_per_year),
    Row::asking("queryPlantsEnergyYearPerMonth", energy::wants_plants_per_month, energy::of_plants_per_month),
    Row::known("queryPlantsInfo", plants::short_list),
    Row::asking("queryPlantsWarning", warnings::wants_all, warnings::all),
    Row::asking("querySPDeviceKeyParameterMonthPerDay", parameters::wants_sp_per_day, parameters::of_sp_per_day),
    Row::asking("querySPDeviceKeyParameterOneDay", parameters::wants_sp_day, parameters::of_sp_day),
    Row::asking("querySPDeviceKeyParameterTotalPerYear", parameters::wants_sp_per_year, parameters::of_sp_per_year),
    Row::known("querySPDeviceLastData", storage::last_data),
    Row::asking("querySPDevicesKeyParamMonthPerDay", parameters::wants_protocol_per_day, parameters::of_protocol_per_day),
    Row::known("querySPKeyParameters", parameters::keys),
    Row::new("reg", Kind::Registration),
    Row::writing("sendCmdToDevice", control::wants_command, control::command),
    Row::writing("updatePassword", session::wants_password, session::done),
    Row::asking("updateToken", session::wants_token, session::renewed),
    Row::known("webQueryCollectorsEs", collectors::list_es),
    Row::known("webQueryDeviceCtrlField", control::list_with_values),
    Row::known("webQueryDeviceEnergyFlowEs", storage::energy_flow),
    Row::asking("webQueryDeviceEs", storage::wants_list, storage::list),
    Row::asking("webQueryPlants", web::wants_plants, web::list),
    Row::asking("webQueryPlantsWarning", warnings::wants_web, warnings::web),
];
