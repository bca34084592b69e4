//! What would be sent to a platform, as it would be sent, and what the platform would find wrong with it.

use dialects::supervision::definition::{Definition, Endpoint};
use dialects::supervision::map::{entity_json, record_json, sample_json};
use dialects::supervision::request::{self, Context};
use model::oversight::{EntityKind, ReportTo, Upload};
use model::secret::Secret;
use model::time::{Millis, Timestamp};
use store::StoreError;

use super::charges::{self, Note};
use super::names;
use crate::State;

/// Records that are shown.
const RECORDS: usize = 10;
/// They ended within this time.
const LATELY: Millis = Millis(14 * 24 * 3_600_000);

/// Bodies as JSON, in the words of the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    pub entities: Vec<(EntityKind, String)>,
    pub samples: Vec<String>,
    /// Of charges that have ended, the last first.
    pub records: Vec<String>,
    pub problems: Vec<String>,
}

/// # Errors
/// When the store fails.
pub async fn preview(state: &State, platform: &ReportTo) -> Result<Preview, StoreError> {
    let mut preview = Preview::default();
    let definition = match names::definition(platform) {
        Ok(definition) => definition,
        Err(problem) => {
            preview.problems.push(problem);
            return Ok(preview);
        }
    };
    let now = state.clock.now().wall;
    let (code, zone) = (&platform.operator, names::zone(platform));
    for entity in names::entities(platform, &state.settings.sites) {
        let json = entity_json(&definition, code, &entity, false);
        let what = format!("{} {}", entity.kind.name(), entity.id);
        preview.check(
            platform,
            &definition,
            Endpoint::Register(entity.kind),
            &what,
            &json,
            now,
        );
        preview.entities.push((entity.kind, json));
    }
    for reported in &platform.sites {
        let Some(view) = state.bus.latest_view(&reported.site).await else {
            preview
                .problems
                .push(format!("site {}: has not been heard of yet", reported.site));
            continue;
        };
        for sample in names::samples(platform, reported, &view) {
            let json = sample_json(&definition, code, &sample, None, &zone);
            let what = format!("the sample of port {}", sample.port);
            preview.check(platform, &definition, Endpoint::Report, &what, &json, now);
            preview.samples.push(json);
        }
    }
    // As if it had been told for a while.
    let told = ReportTo {
        since: now - LATELY,
        ..platform.clone()
    };
    let (uploads, _) = charges::look(&*state.store, &told, &Note::default(), now).await?;
    for upload in uploads.iter().rev().take(RECORDS) {
        if let Upload::Record { record } = upload {
            let json = record_json(&definition, code, record, false, &zone);
            let what = format!("the record of charge {}", record.charge);
            preview.check(platform, &definition, Endpoint::Record, &what, &json, now);
            preview.records.push(json);
        }
    }
    Ok(preview)
}

impl Preview {
    /// Reads what would be sent as the platform's documentation says that it is read.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "nothing else is read from these endpoints"
    )]
    fn check(
        &mut self,
        platform: &ReportTo,
        definition: &Definition,
        endpoint: Endpoint,
        what: &str,
        json: &str,
        now: Timestamp,
    ) {
        let operator = names::as_operator(platform);
        let zone = names::zone(platform);
        let nobody = Secret::new("");
        let context = Context {
            definition,
            operator: &operator,
            zone: &zone,
            now,
            person_key: &nobody,
        };
        match request::read(endpoint, "", json.as_bytes(), &context) {
            Err(refusal) => self.problems.push(format!("{what}: {}", refusal.message)),
            Ok(asked) => {
                let findings = match &asked {
                    request::Asked::Register(told) => &told.findings[..],
                    request::Asked::Report(told) => &told.findings[..],
                    request::Asked::Record(told) => &told.findings[..],
                    _ => &[],
                };
                let texts = findings.iter().map(|finding| {
                    format!(
                        "{what}: {} is {}, expected {}",
                        finding.field, finding.value, finding.expected
                    )
                });
                self.problems.extend(texts);
            }
        }
    }
}
