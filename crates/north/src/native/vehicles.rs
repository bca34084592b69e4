//! Cars, and how full they are.

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, Principal, Subject, may};
use links::mqtt::Broker;
use model::id::VehicleId;
use model::message::Message;
use model::noun::Noun;
use model::site::Site;
use model::units::PerMille;
use model::user::{Card, User};
use model::vehicle::{SocSource, StateOfCharge, Vehicle as Noted, VehicleCharge};
use store::Typed;

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::nouns::{Change, as_in_path, cards_with, deleted, from_file, only_in_store, stored};
use super::wire::{Soc, SocRequest, Source, Vehicle, VehicleList};
use crate::State;

/// Lists all vehicles.
#[utoipa::path(get, path = "/vehicles", operation_id = "list_vehicles", tag = "vehicles", responses(
    (status = 200, body = VehicleList),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Json<VehicleList>, ApiError> {
    allow(&caller, &Action::Read, &Subject::Installation)?;
    let vehicles = state.store.list::<Noted>().await?;
    let charges = state.store.list::<VehicleCharge>().await?;
    let mut items = Vec::with_capacity(vehicles.len());
    for vehicle in &vehicles {
        let charge = charges.iter().find(|charge| charge.id == vehicle.id);
        items.push(view(&state, &caller, vehicle, charge).await?);
    }
    Ok(Json(VehicleList { items }))
}

/// Shows one vehicle.
#[utoipa::path(get, path = "/vehicles/{id}", operation_id = "show_vehicle", tag = "vehicles", params(("id" = String, Path)), responses(
    (status = 200, body = Vehicle),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<Vehicle>, ApiError> {
    allow(&caller, &Action::Read, &Subject::Installation)?;
    let vehicle = known(&state, &id).await?;
    let charge = state.store.get::<VehicleCharge>(&id).await?;
    Ok(Json(view(&state, &caller, &vehicle, charge.as_ref()).await?))
}

/// Adds a vehicle. Whatever is wrong with it is said at once.
#[utoipa::path(post, path = "/vehicles", operation_id = "create_vehicle", tag = "vehicles", request_body = Vehicle, responses(
    (status = 201, body = Vehicle),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "There is one with this id."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(wanted): JsonBody<Vehicle>,
) -> Result<(StatusCode, Json<Vehicle>), ApiError> {
    allow(&caller, &Action::EditVehicles, &Subject::Installation)?;
    let vehicle = put(&state, &caller, wanted, Change::New).await?;
    Ok((StatusCode::CREATED, Json(vehicle)))
}

/// Replaces a vehicle.
#[utoipa::path(put, path = "/vehicles/{id}", operation_id = "replace_vehicle", tag = "vehicles", params(("id" = String, Path)), request_body = Vehicle, responses(
    (status = 200, body = Vehicle),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "It stands in the config file."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn replace(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
    JsonBody(wanted): JsonBody<Vehicle>,
) -> Result<Json<Vehicle>, ApiError> {
    allow(&caller, &Action::EditVehicles, &Subject::Installation)?;
    as_in_path(&id, &wanted.id)?;
    Ok(Json(put(&state, &caller, wanted, Change::Again).await?))
}

async fn put(
    state: &State,
    caller: &Principal,
    wanted: Vehicle,
    change: Change,
) -> Result<Vehicle, ApiError> {
    let secret = wanted.soc_source.secret().map(str::to_owned);
    let vehicle = wanted.read()?;
    let _changing = state.changing.lock().await;
    only_in_store(&state.settings.vehicles, vehicle.id())?;
    let all = state.store.list::<Noted>().await?;
    change.fits(&all, &vehicle)?;
    let mut texts = vehicle.problems();
    texts.extend(source_problem(state, &vehicle, secret.as_deref()));
    if let Some(owner) = &vehicle.owner
        && state.store.get::<User>(owner.as_str()).await?.is_none()
    {
        texts.push(format!(
            "vehicle `{}` belongs to user `{owner}`, who does not exist",
            vehicle.id
        ));
    }
    let mut evses = state.settings.sites.iter().flat_map(Site::evses);
    if let Some(home) = &vehicle.home
        && !evses.any(|(_, evse)| evse.id == *home)
    {
        texts.push(format!(
            "vehicle `{}` is at home at EVSE `{home}`, which does not exist",
            vehicle.id
        ));
    }
    if !texts.is_empty() {
        return Err(ApiError::wrong(&texts));
    }
    let before = all.iter().find(|known| known.id == vehicle.id);
    let stays = before.is_some_and(|before| {
        vehicle.soc_source.has_place_for_secret() && vehicle.soc_source.is_same_peer(&before.soc_source)
    });
    // A secret never goes to a peer it was not given for: it is forgotten before the address changes.
    if !stays || secret.as_deref() == Some("") {
        seal(state, &vehicle.id, None).await?;
    }
    stored(state, caller, &vehicle).await?;
    if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
        seal(state, &vehicle.id, Some(&secret)).await?;
        let kind = Noted::KIND.to_owned();
        state.bus.publish(Message::NounsChanged { kind }).await;
    }
    let charge = state.store.get::<VehicleCharge>(vehicle.id.as_str()).await?;
    view(state, caller, &vehicle, charge.as_ref()).await
}

async fn seal(state: &State, id: &VehicleId, secret: Option<&str>) -> Result<(), ApiError> {
    let sealed = state.gate.set_vehicle_secret(id, secret).await;
    sealed.map_err(|error| {
        tracing::error!(%error, "cannot keep the secret of vehicle {id}");
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store",
            "the secret cannot be kept; see the log",
        )
    })
}

/// What only this room can check: addresses that the guard forbids, secrets without a place.
fn source_problem(state: &State, vehicle: &Noted, secret: Option<&str>) -> Option<String> {
    let about = |text: String| Some(format!("vehicle `{}` {text}", vehicle.id));
    let secret = secret.filter(|secret| !secret.is_empty());
    if secret.is_some() && !vehicle.soc_source.has_place_for_secret() {
        return about("has a secret and neither a header nor a user that it belongs to".to_owned());
    }
    if secret.is_some_and(|secret| !gate::Gate::can_be_sealed(secret)) {
        return about("has a secret that is longer than 4096 bytes or has control characters".to_owned());
    }
    match &vehicle.soc_source {
        SocSource::Http { url, .. } => {
            let denied = state.guard.check(url).err()?;
            about(format!("would be asked at an address that is refused: {denied}"))
        }
        SocSource::Mqtt { broker, .. } => match broker.parse::<Broker>() {
            Err(error) => about(format!("cannot be heard: {error}")),
            Ok(broker) => {
                let address = broker.host.parse().ok()?;
                let denied = state.guard.check_address(&broker.host, address).err()?;
                about(format!("would be heard at an address that is refused: {denied}"))
            }
        },
        SocSource::Manual | SocSource::Pushed | SocSource::Charger => None,
    }
}

/// Deletes a vehicle that no card names. Its sessions stay.
#[utoipa::path(delete, path = "/vehicles/{id}", operation_id = "delete_vehicle", tag = "vehicles", params(("id" = String, Path)), responses(
    (status = 204),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "It stands in the config file, or cards name it."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn delete(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    allow(&caller, &Action::EditVehicles, &Subject::Installation)?;
    let _changing = state.changing.lock().await;
    only_in_store(&state.settings.vehicles, &id)?;
    let is_named = |card: &Card| card.vehicle.as_ref().is_some_and(|named| named.as_str() == id);
    let named_by = cards_with(&state, is_named).await?;
    let answer = deleted::<Noted>(&state, &caller, &id, &named_by).await?;
    state.store.delete::<VehicleCharge>(&id).await?;
    if let Ok(id) = id.parse() {
        seal(&state, &id, None).await?;
    }
    Ok(answer)
}

/// Says how full a vehicle is: for those who edit vehicles, and for its owner.
#[utoipa::path(put, path = "/vehicles/{id}/soc", operation_id = "put_soc", tag = "vehicles", params(("id" = String, Path)), request_body = SocRequest, responses(
    (status = 200, body = Soc),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn put_soc(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
    JsonBody(wanted): JsonBody<SocRequest>,
) -> Result<Json<Soc>, ApiError> {
    let found = state.store.get::<Noted>(&id).await?;
    if !is_own(&caller, found.as_ref()) {
        allow(&caller, &Action::EditVehicles, &Subject::Installation)?;
    }
    let vehicle = found.ok_or_else(|| ApiError::unknown("vehicle", &id))?;
    if !(0..=1_000).contains(&wanted.soc_permille) {
        return Err(ApiError::invalid(
            "soc_permille",
            wanted.soc_permille,
            "0 to 1000",
        ));
    }
    let charge = VehicleCharge {
        id: vehicle.id,
        known: StateOfCharge {
            soc: PerMille(wanted.soc_permille),
            at: state.clock.now().wall,
            estimated: false,
        },
    };
    stored(&state, &caller, &charge).await?;
    Ok(Json(charge.known.into()))
}

/// A token has no user, so it owns nothing.
fn is_own(caller: &Principal, vehicle: Option<&Noted>) -> bool {
    let owner = vehicle.and_then(|vehicle| vehicle.owner.as_ref());
    owner.is_some() && owner == caller.user.as_ref()
}

async fn known(state: &State, id: &str) -> Result<Noted, ApiError> {
    let vehicle = state.store.get::<Noted>(id).await?;
    vehicle.ok_or_else(|| ApiError::unknown("vehicle", id))
}

async fn view(
    state: &State,
    caller: &Principal,
    vehicle: &Noted,
    charge: Option<&VehicleCharge>,
) -> Result<Vehicle, ApiError> {
    let source = Source::of(from_file(&state.settings.vehicles, vehicle.id()));
    let stored = charge.map(|charge| charge.known);
    // While it is plugged in the engine adds what it has taken since.
    let views = state.bus.latest_views().await;
    let sessions = views
        .iter()
        .flat_map(|view| &view.evses)
        .filter_map(|evse| evse.session.as_ref());
    let live = sessions
        .filter(|session| session.vehicle.as_ref() == Some(&vehicle.id))
        .filter_map(|session| session.soc)
        .find(|live| stored.is_none_or(|stored| live.at >= stored.at));
    let known = live.or(stored);
    let sees_all = may(caller, &Action::SeeSettings, &Subject::Installation);
    let has_secret = sees_all
        && vehicle.soc_source.has_place_for_secret()
        && state.gate.has_vehicle_secret(&vehicle.id).await?;
    let mut shown = Vehicle::of(vehicle, known.map(Into::into), source, has_secret);
    shown.soc_stale = known.is_some() && vehicle.is_stale(known.as_ref(), state.clock.now().wall);
    if sees_all {
        let states = state.sources.borrow();
        shown.soc_problem = states.get(&vehicle.id).and_then(|source| source.problem.clone());
    } else {
        shown.soc_source.hide();
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use gate::{Grant, Roles};
    use model::id::UserId;
    use model::units::MilliAmps;
    use model::user::Role;

    use super::*;

    #[test]
    fn a_car_is_the_own_one_of_its_owner_only() {
        let user = |id: &str| Some(UserId::new(id).unwrap());
        let caller = |user: Option<UserId>| Principal {
            name: "x".to_owned(),
            user,
            grant: Grant::Roles(Roles::everywhere(Role::User)),
        };
        let car = |owner: Option<UserId>| Noted {
            id: VehicleId::new("car").unwrap(),
            name: "Car".to_owned(),
            capacity: None,
            phases: model::phases::Phases::One,
            min: MilliAmps(6_000),
            max: None,
            efficiency: PerMille(900),
            charge_limit: None,
            default_mode: None,
            owner,
            home: None,
            soc_source: SocSource::Manual,
        };
        for (who, owner, expected) in [
            (user("resident-1"), user("resident-1"), true),
            (user("resident-1"), user("resident-2"), false),
            (user("resident-1"), None, false),
            (None, user("resident-1"), false),
            (None, None, false),
        ] {
            let found = is_own(&caller(who.clone()), Some(&car(owner.clone())));
            assert_eq!(found, expected, "{who:?} {owner:?}");
        }
        assert!(!is_own(&caller(user("resident-1")), None));
    }
}
