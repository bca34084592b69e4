//! Rule sets of a site: made, checked and looked at while they decide.

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use expr::{Program, Type, functions::PRICES};
use gate::{Action, Principal, Subject};
use model::id::SiteId;
use model::rule::{Names, Problem, RuleSet as Noted, formula_problems};
use model::site::Site;
use store::Typed;

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::nouns::{Change, as_in_path, deleted, stored};
use super::sites::{readable, readable_view};
use super::wire::{RuleProblem, RuleProblemList, RuleRun, RuleRunList, RuleSet, RuleSetList};
use crate::State;

/// Lists the rule sets of a site.
#[utoipa::path(get, path = "/sites/{site}/rules", operation_id = "list_rule_sets", tag = "rules", params(("site" = String, Path)), responses(
    (status = 200, body = RuleSetList),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
) -> Result<Json<RuleSetList>, ApiError> {
    let site = seen(&state, &caller, &site)?;
    let sets = sets(&state, &site).await?;
    let items = sets.iter().map(RuleSet::of).collect::<Result<_, _>>()?;
    Ok(Json(RuleSetList { items }))
}

/// Shows one rule set.
#[utoipa::path(get, path = "/sites/{site}/rules/{id}", operation_id = "show_rule_set", tag = "rules", params(("site" = String, Path), ("id" = String, Path)), responses(
    (status = 200, body = RuleSet),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, id)): Path<(String, String)>,
) -> Result<Json<RuleSet>, ApiError> {
    let site = seen(&state, &caller, &site)?;
    let sets = sets(&state, &site).await?;
    let set = sets.iter().find(|set| set.id.as_str() == id);
    let set = set.ok_or_else(|| ApiError::unknown("rule set", &id))?;
    Ok(Json(RuleSet::of(set)?))
}

/// Adds a rule set; it decides from the next cycle on. Whatever is wrong with it is said at once.
#[utoipa::path(post, path = "/sites/{site}/rules", operation_id = "create_rule_set", tag = "rules", params(("site" = String, Path)), request_body = RuleSet, responses(
    (status = 201, body = RuleSet),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "There is one with this id."),
    (status = 422, body = ErrorAnswer, description = "A rule or a formula makes no sense; the columns of formulas are named."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    JsonBody(wanted): JsonBody<RuleSet>,
) -> Result<(StatusCode, Json<RuleSet>), ApiError> {
    let site = changed(&state, &caller, &site)?;
    let set = put(&state, &caller, site, &wanted, Change::New).await?;
    Ok((StatusCode::CREATED, Json(set)))
}

/// Replaces a rule set. Variables that it had keep their values.
#[utoipa::path(put, path = "/sites/{site}/rules/{id}", operation_id = "replace_rule_set", tag = "rules", params(("site" = String, Path), ("id" = String, Path)), request_body = RuleSet, responses(
    (status = 200, body = RuleSet),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer, description = "A rule or a formula makes no sense, or another set then makes none."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn replace(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, id)): Path<(String, String)>,
    JsonBody(wanted): JsonBody<RuleSet>,
) -> Result<Json<RuleSet>, ApiError> {
    let site = changed(&state, &caller, &site)?;
    as_in_path(&id, &wanted.id)?;
    Ok(Json(put(&state, &caller, site, &wanted, Change::Again).await?))
}

/// Deletes a rule set that no other one uses.
#[utoipa::path(delete, path = "/sites/{site}/rules/{id}", operation_id = "delete_rule_set", tag = "rules", params(("site" = String, Path), ("id" = String, Path)), responses(
    (status = 204),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "Other sets use it, or read what it sets."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn delete(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let site = changed(&state, &caller, &site)?;
    let _changing = state.changing.lock().await;
    let mut rest = sets(&state, &site.id).await?;
    let before = rest.len();
    rest.retain(|set| set.id.as_str() != id);
    if rest.len() == before {
        return Err(ApiError::unknown("rule set", &id));
    }
    let named_by: Vec<String> = broken(&rest, site)
        .map(|set| format!("rule set `{}`", set.id))
        .collect();
    deleted::<Noted>(&state, &caller, &id, &named_by).await
}

/// Says what is wrong with a rule set without keeping it.
#[utoipa::path(post, path = "/sites/{site}/rules/check", operation_id = "check_rule_set", tag = "rules", params(("site" = String, Path)), request_body = RuleSet, responses(
    (status = 200, body = RuleProblemList),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn check(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    JsonBody(wanted): JsonBody<RuleSet>,
) -> Result<Json<RuleProblemList>, ApiError> {
    let site = known(&state, &seen(&state, &caller, &site)?)?;
    let set = wanted.read(site.id.clone())?;
    let mut others = sets(&state, &site.id).await?;
    others.retain(|other| other.id != set.id);
    let items = problems(&set, &others, site).into_iter().map(RuleProblem::of);
    Ok(Json(RuleProblemList {
        items: items.collect(),
    }))
}

/// Shows what each rule set decided in the last cycle, line by line.
#[utoipa::path(get, path = "/sites/{site}/rules/decided", operation_id = "show_rule_runs", tag = "rules", params(("site" = String, Path)), responses(
    (status = 200, body = RuleRunList),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn decided(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
) -> Result<Json<RuleRunList>, ApiError> {
    allow(&caller, &Action::SeeSettings, &Subject::Installation)?;
    let view = readable_view(&state, &caller, &site).await?;
    Ok(Json(RuleRunList {
        items: view.rules.iter().map(RuleRun::of).collect(),
    }))
}

/// A site whose rules the caller may see: they name users and cards.
fn seen(state: &State, caller: &Principal, site: &str) -> Result<SiteId, ApiError> {
    let site = readable(state, caller, site)?;
    allow(caller, &Action::SeeSettings, &Subject::Installation)?;
    Ok(site)
}

/// A site whose rules the caller may change.
fn changed<'a>(state: &'a State, caller: &Principal, site: &str) -> Result<&'a Site, ApiError> {
    let site = readable(state, caller, site)?;
    allow(caller, &Action::Administer, &Subject::Installation)?;
    known(state, &site)
}

fn known<'a>(state: &'a State, id: &SiteId) -> Result<&'a Site, ApiError> {
    let mut sites = state.settings.sites.iter();
    sites
        .find(|site| site.id == *id)
        .ok_or_else(|| ApiError::unknown("site", id.as_str()))
}

async fn sets(state: &State, site: &SiteId) -> Result<Vec<Noted>, ApiError> {
    let mut sets = state.store.list::<Noted>().await?;
    sets.retain(|set| set.site == *site);
    Ok(sets)
}

async fn put(
    state: &State,
    caller: &Principal,
    site: &Site,
    wanted: &RuleSet,
    change: Change,
) -> Result<RuleSet, ApiError> {
    let set = wanted.read(site.id.clone())?;
    let _changing = state.changing.lock().await;
    let all = state.store.list::<Noted>().await?;
    // An id is unique over all sites, and a set never moves.
    if change == Change::Again
        && all
            .iter()
            .any(|other| other.id == set.id && other.site != set.site)
    {
        return Err(ApiError::unknown("rule set", set.id.as_str()));
    }
    change.fits(&all, &set)?;
    let mut others: Vec<Noted> = all.into_iter().filter(|other| other.site == set.site).collect();
    others.retain(|other| other.id != set.id);
    let mut texts: Vec<String> = problems(&set, &others, site)
        .iter()
        .map(ToString::to_string)
        .collect();
    if texts.is_empty() {
        let mut after = others;
        after.push(set.clone());
        let lost = broken(&after, site).filter(|other| other.id != set.id);
        texts.extend(lost.map(|other| format!("rule set `{}` needs what this one no longer sets", other.id)));
    }
    if !texts.is_empty() {
        return Err(ApiError::wrong(&texts));
    }
    stored(state, caller, &set).await?;
    Ok(RuleSet::of(&set)?)
}

/// Those that make no sense beside the others.
fn broken<'a>(sets: &'a [Noted], site: &'a Site) -> impl Iterator<Item = &'a Noted> {
    sets.iter().filter(|set| {
        let others: Vec<Noted> = sets.iter().filter(|other| other.id != set.id).cloned().collect();
        !problems(set, &others, site).is_empty()
    })
}

/// Everything that is wrong with a set beside the others of its site, formulas with their columns.
fn problems(set: &Noted, others: &[Noted], site: &Site) -> Vec<Problem> {
    let mut found = model::rule::problems(set, others, site);
    let names = Names::new(site, others.iter().chain([set]));
    let kind = |is_flag| if is_flag { Type::Bool } else { Type::Number };
    found.extend(formula_problems(set, |text, is_flag| {
        let kind_of = |name: &str| names.is_flag(name).map(kind);
        Program::checked(text, &PRICES, &kind_of, kind(is_flag))
            .map(|_| ())
            .map_err(|error| (error.column, error.found, error.expected))
    }));
    found
}
