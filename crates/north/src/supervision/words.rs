//! What the books refuse, in the words of the dialect.

use dialects::supervision::definition::Definition;
use dialects::supervision::error::Refusal;
use model::oversight::EntityKind;
use oversight::{Refused, What};

use super::failed;

pub(super) fn refusal(definition: &Definition, refused: Refused) -> Refusal {
    let name = |what: What| id_of(definition, what);
    match refused {
        Refused::Unknown { what, id } => {
            Refusal::new(404, format!("{}: unknown {} {id}", name(what), what.name()))
        }
        Refused::Taken { what, id } => Refusal::new(
            409,
            format!(
                "{}: there is a {} {id} that says something else",
                name(what),
                what.name()
            ),
        ),
        Refused::HasChildren { what, id, children } => Refusal::new(
            409,
            format!("{}: {children} still belong to {} {id}", name(what), what.name()),
        ),
        Refused::Missing { field } => {
            Refusal::new(400, format!("{}: is required", theirs(definition, field)))
        }
        Refused::Foreign { .. } => {
            let name = &definition.query.operator.name;
            Refusal::forbidden(&format!("{name}: is not the operator that calls"))
        }
        Refused::GivenUp { id } => Refusal::new(
            410,
            format!("{}: {id} has failed too often", definition.sample.name("failed")),
        ),
        Refused::TooMany { most, .. } => Refusal::new(413, format!("a list holds at most {most}")),
        Refused::Unfit {
            field,
            value,
            expected,
        } => Refusal::new(
            400,
            format!("{}: {value}: expected {expected}", theirs(definition, &field)),
        ),
        Refused::Store(error) => failed("the store did not take what an operator told", &error),
    }
}

/// The field that holds the id of such a thing.
fn id_of(definition: &Definition, what: What) -> &str {
    match what {
        What::Operator => &definition.query.operator.name,
        What::Station => definition.entity(EntityKind::Station).name("id"),
        What::Equipment => definition.entity(EntityKind::Equipment).name("id"),
        What::Port => definition.entity(EntityKind::Port).name("id"),
        What::Sample => definition.sample.name("failed"),
        What::Record => definition.record.name("charge"),
        What::Warning => "warning",
    }
}

/// A field by its name on the wire, in whichever form it is.
fn theirs<'a>(definition: &'a Definition, field: &'a str) -> &'a str {
    let forms = [
        &definition.sample,
        &definition.record,
        &definition.port,
        &definition.equipment,
        &definition.station,
    ];
    let mut names = forms.into_iter().filter(|form| form.field(field).is_some());
    names.next().map_or(field, |form| form.name(field))
}
