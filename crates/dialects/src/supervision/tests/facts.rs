//! The definition says what is known of the interface, name by name.

use std::collections::BTreeSet;

use model::oversight::RiskLevel;

use super::super::definition::{Definition, Endpoint, Form, Kind, Mark, built_in};

const FACTS: &str = include_str!("../../../testdata/supervision/facts.tsv");

fn rows(word: &str) -> Vec<Vec<&'static str>> {
    let rows = FACTS.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let rows: Vec<_> = rows.filter(|row| row[0] == word).collect();
    assert!(!rows.is_empty(), "{word}");
    rows
}

const fn mark(mark: Mark) -> &'static str {
    match mark {
        Mark::Documented => "documented",
        Mark::Derived => "derived",
    }
}

fn form(object: &str) -> &'static Form {
    let definition = built_in();
    match object {
        "Station" => &definition.station,
        "Equipment" => &definition.equipment,
        "Cell" => &definition.port,
        "ChargingMetaInfo" => &definition.sample,
        "ChargingRecord" => &definition.record,
        "ReportFailureNotice" => &definition.failed,
        "CellRiskNotice" => &definition.risk,
        "Page" => &definition.page,
        other => panic!("no form for {other}"),
    }
}

const TABLES: [(&str, &str); 12] = [
    ("YesNoUnknown", "yes_no_unknown"),
    ("CellType", "port_type"),
    ("CellStatus", "port_state"),
    ("DoorStatus", "door"),
    ("ErrorCode", "error_code"),
    ("StationType", "station_type"),
    ("StationStatus", "station_status"),
    ("FeeType", "fee_type"),
    ("EquipmentType", "equipment_type"),
    ("EquipmentCategory", "equipment_category"),
    ("StopReason", "stop_reason"),
    ("StartType", "start_kind"),
];

fn table_name(listed: &str) -> Option<&'static str> {
    TABLES.iter().find(|(name, _)| *name == listed).map(|(_, ours)| *ours)
}

#[test]
fn fields_are_those_that_are_known() {
    let mut known = BTreeSet::new();
    for row in rows("field") {
        let [_, object, name, kind, needed, unit, table, marked, source] = row[..] else {
            panic!("{row:?}");
        };
        known.insert((object, name));
        let field = form(object).fields.iter().find(|field| field.name == name);
        let field = field.unwrap_or_else(|| panic!("{object}.{name}"));
        let is_kind = match field.kind {
            Kind::Id | Kind::Operator | Kind::Text | Kind::Date | Kind::Time => kind.starts_with("string"),
            Kind::Integer => kind == "integer",
            Kind::Code => kind == "integer" || kind == "number",
            Kind::Number => kind == "number",
            Kind::List => kind == "array",
            Kind::Object => kind == "object",
        };
        assert!(is_kind, "{object}.{name} is {kind}");
        assert_eq!(field.required, needed == "required", "{object}.{name}");
        assert_eq!(field.unit, unit.trim_matches('-'), "{object}.{name}");
        assert_eq!((mark(field.mark), field.source.as_str()), (marked, source), "{object}.{name}");
        assert_eq!(field.table_name.as_deref(), table_name(table), "{object}.{name}");
    }
    let objects: BTreeSet<_> = known.iter().map(|(object, _)| *object).collect();
    for object in objects {
        for field in &form(object).fields {
            assert!(known.contains(&(object, field.name.as_str())), "{object}.{}", field.name);
        }
    }
}

#[test]
fn tables_are_those_that_are_known() {
    let definition = built_in();
    let mut counts = TABLES.map(|_| 0);
    for row in rows("value") {
        let [_, listed, value, meaning, marked, source] = row[..] else {
            panic!("{row:?}");
        };
        if listed == "RiskLevel" {
            let level = definition.level(value).unwrap();
            let expected = match level {
                RiskLevel::High => "high",
                RiskLevel::Medium => "medium",
                RiskLevel::Low => "low",
            };
            assert_eq!((meaning, definition.level_name(level)), (expected, value));
            continue;
        }
        // Those of a neighbour that nothing here has a field for.
        let Some(nth) = TABLES.iter().position(|(name, _)| *name == listed) else {
            assert!(listed.ends_with("(extension)"), "{listed}");
            continue;
        };
        counts[nth] += 1;
        let table = &definition.tables[TABLES[nth].1];
        assert_eq!(table.text(value.parse().unwrap()), Some(meaning), "{listed} {value}");
        assert_eq!((mark(table.mark), table.source.as_str()), (marked, source), "{listed}");
    }
    for ((_, ours), count) in TABLES.iter().zip(counts) {
        let allowed = definition.tables[*ours].allowed();
        assert_eq!(allowed.split(", ").count(), count, "{ours}");
    }
}

#[test]
fn endpoints_are_those_that_are_known() {
    let definition = built_in();
    let mut known = Vec::new();
    for row in rows("endpoint") {
        let [_, id, method, path, by, _, marked, source] = row[..] else {
            panic!("{row:?}");
        };
        if by == "operator" {
            continue;
        }
        let method: http::Method = method.parse().unwrap();
        let endpoint = definition.endpoint(&method, path).unwrap();
        assert_eq!((endpoint.id(), Endpoint::of(&method, path)), (id, Ok(endpoint)));
        assert_eq!(definition.place(endpoint), Some((&method, path.to_owned())));
        let place = definition.places.iter().find(|place| place.endpoint == endpoint);
        let place = place.unwrap();
        assert_eq!((mark(place.mark), place.source.as_str()), (marked, source), "{id}");
        known.push(endpoint);
    }
    assert_eq!(known.len(), 24);
    // One beyond: the third address can be taken away as the others can.
    assert_eq!(definition.places.len(), 25);
    let status = |method: http::Method, path: &str| definition.endpoint(&method, path).unwrap_err().status;
    assert_eq!(status(http::Method::PATCH, "/platform/management/cell"), 405);
    assert_eq!(status(http::Method::GET, "/platform/report/chargingMetaInfo"), 405);
    for nowhere in ["", "/", "/platform", "/platform/management/cell/", "/management/cell", "/platform/management/Cell"] {
        assert_eq!(status(http::Method::POST, nowhere), 404, "{nowhere}");
    }
}

#[test]
fn the_rest_is_what_is_known() {
    let definition = built_in();
    for row in rows("envelope") {
        let field = definition.envelope.fields.iter().find(|field| field.name == row[1]).unwrap();
        assert_eq!(field.required, row[3] == "required", "{row:?}");
        assert_eq!((mark(field.mark), field.source.as_str()), (row[4], row[5]), "{row:?}");
    }
    let names = &definition.headers;
    let headers = [&names.datetime, &names.operator, &names.token, &names.signature];
    let rows_of_headers = rows("header");
    assert_eq!(headers.len(), rows_of_headers.len());
    for (header, row) in headers.iter().zip(rows_of_headers) {
        assert_eq!((header.name.as_str(), mark(header.mark), header.source.as_str()), (row[1], row[2], row[3]));
    }
    let limits = &definition.limits;
    for row in rows("limit") {
        let limit = match row[1] {
            "report_list_max" => &limits.samples,
            "record_list_max" => &limits.records,
            "max_failures_per_sample" => &limits.failures,
            "page_size_max" => &limits.page,
            // Settings of the authority.
            "report_interval_s" | "clock_skew_s" | "token_ttl_s" => continue,
            other => panic!("{other}"),
        };
        let found = (limit.value.to_string(), mark(limit.mark), limit.source.as_str());
        assert_eq!(found, (row[2].to_owned(), row[3], row[4]), "{row:?}");
    }
}

#[test]
fn faults_are_as_bad_as_their_codes() {
    let definition = built_in();
    for (code, level, is_offline) in [
        (1_009, RiskLevel::High, false),
        (2_008, RiskLevel::High, false),
        (1_016, RiskLevel::Medium, false),
        (1_017, RiskLevel::Low, true),
        (1_003, RiskLevel::Low, false),
        (9_999, RiskLevel::Low, false),
    ] {
        assert_eq!((definition.severity(code), definition.is_offline(code)), (level, is_offline), "{code}");
    }
    assert_eq!(definition.level("high"), Some(RiskLevel::High));
    assert_eq!(definition.level("危险"), None);
}

#[test]
fn another_platform_says_only_what_differs() {
    let text = r#"
        name = "Twin"
        prefix = "/merchants/integrate/v1"
        [endpoints]
        platform = [{ id = "cell.create", path = "/cells" }, { id = "record.list", omit = true }]
        [forms]
        sample = [
            { is = "current", name = "electricityCurrent", also = [] },
            { is = "voltage", name = "electricityVoltage", places = 2 },
            { is = "soc", omit = true },
            { is = "humidity", name = "humidity", kind = "number", mark = "derived", source = "TWIN" },
        ]
        [tables.start_kind.values]
        7 = "by voice"
    "#;
    let definition = Definition::parse(text).unwrap();
    let sample = &definition.sample;
    assert_eq!(sample.name("current"), "electricityCurrent");
    assert_eq!(sample.field("voltage").unwrap().places, Some(2));
    assert!(sample.field("soc").is_none() && sample.field("humidity").is_some());
    assert_eq!(sample.fields.len(), built_in().sample.fields.len());
    assert!(definition.tables["start_kind"].has(7));
    let post = http::Method::POST;
    assert_eq!(
        definition.endpoint(&post, "/merchants/integrate/v1/cells"),
        Ok(Endpoint::Register(model::oversight::EntityKind::Port))
    );
    assert!(definition.place(Endpoint::RecordList).is_none());
    assert!(Definition::parse("").is_ok());
}

#[test]
fn mistakes_in_a_definition_are_named() {
    for (text, says) in [
        ("x", "key"),
        ("colour = 1", "colour"),
        ("[forms]\nsample = [{ is = \"port\", omit = true }]", "sample: `port`"),
        ("[forms]\nsample = [{ is = \"port\", required = false }]", "sample: `port`"),
        ("[forms]\nsample = [{ is = \"soc\", name = \"power\" }]", "sample.power: a name is there twice"),
        ("[forms]\nsample = [{ is = \"soc\", from = \"low\" }]", "sample.soc: `low`"),
        ("[forms]\nsample = [{ is = \"soc\", kind = \"code\" }]", "sample.soc: a code without a table"),
        ("[forms]\nport = [{ is = \"type\", table = \"kinds\" }]", "port.cellType: no table `kinds`"),
        ("[forms]\nport = [{ is = \"id\", not_before = \"end\" }]", "port.end: no such field"),
        ("[tables.door.values]\nopen = \"x\"", "tables.door: `open` is no integer"),
        ("[endpoints]\nplatform = [{ id = \"cell.create\", path = \"/management/station\" }]", "is there twice"),
        ("[endpoints]\nplatform = [{ id = \"cell.paint\", method = \"GET\", path = \"/p\", mark = \"derived\", source = \"OWN\" }]", "cell.paint"),
    ] {
        let error = Definition::parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}
