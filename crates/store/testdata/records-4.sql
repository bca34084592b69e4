-- records.db of schema 4.
BEGIN TRANSACTION;
CREATE TABLE alarm (
    id       INTEGER PRIMARY KEY,
    site     TEXT NOT NULL,
    device   TEXT NOT NULL,
    code     TEXT NOT NULL,
    severity TEXT NOT NULL,
    text     TEXT NOT NULL,
    raised   INTEGER NOT NULL,
    cleared  INTEGER, acknowledged_by TEXT, acknowledged_at INTEGER,
    UNIQUE (site, device, code, raised)
) STRICT;
INSERT INTO alarm VALUES(1,'home','','limit_exceeded','error','too much',1700000000000,NULL,NULL,NULL);
CREATE TABLE alias (
    dialect TEXT NOT NULL,
    name    TEXT NOT NULL,
    means   TEXT NOT NULL,
    PRIMARY KEY (dialect, name)
) STRICT, WITHOUT ROWID;
INSERT INTO alias VALUES('goe','050001','evse:left');
CREATE TABLE audit (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    principal TEXT NOT NULL,
    door      TEXT NOT NULL,
    action    TEXT NOT NULL,
    outcome   TEXT NOT NULL
) STRICT;
INSERT INTO audit VALUES(1,1700000000000,'admin','native','sign in','done');
CREATE TABLE billed (
    session     TEXT NOT NULL,
    number      INTEGER NOT NULL,
    plugged     INTEGER NOT NULL,
    user_id     TEXT,
    card        TEXT,
    energy_wh   INTEGER NOT NULL,
    charging_ms INTEGER NOT NULL,
    sun_wh      INTEGER NOT NULL,
    battery_wh  INTEGER NOT NULL,
    grid_wh     INTEGER NOT NULL,
    cost        INTEGER,
    currency    TEXT,
    PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;
INSERT INTO billed VALUES('s1',1,1700000000000,'zoe','tag',2500,3600000,2000,0,500,155000,'EUR');
CREATE TABLE control_memory (
    site    TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    bytes   BLOB NOT NULL
) STRICT;
INSERT INTO control_memory VALUES('home',1,X'0102');
CREATE TABLE device (
    site     TEXT NOT NULL,
    device   TEXT NOT NULL,
    seen_at  INTEGER NOT NULL,
    identity TEXT,
    PRIMARY KEY (site, device)
) STRICT, WITHOUT ROWID;
INSERT INTO device VALUES('home','meter',1700000000000,'maker model 3.1');
CREATE TABLE document (
    site    TEXT NOT NULL,
    device  TEXT NOT NULL,
    dialect TEXT NOT NULL,
    at      INTEGER NOT NULL,
    json    TEXT NOT NULL,
    PRIMARY KEY (site, device)
) STRICT;
CREATE TABLE epoch (
    site   TEXT PRIMARY KEY,
    newest INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO epoch VALUES('home',1);
CREATE TABLE ledger (
    site  TEXT NOT NULL,
    start INTEGER NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (site, start)
) STRICT;
CREATE TABLE noun (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO noun VALUES('user','admin','{"id":"admin","name":"The \"admin\"","role":"admin"}');
INSERT INTO noun VALUES('user','zoe','{"id":"zoe","name":"Zoë","role":"viewer"}');
CREATE TABLE parcel (
    number INTEGER PRIMARY KEY,
    id     TEXT NOT NULL UNIQUE,
    target TEXT NOT NULL,
    state  TEXT NOT NULL,
    at     INTEGER NOT NULL,
    body   TEXT NOT NULL
) STRICT;
CREATE TABLE price (
    provider TEXT NOT NULL,
    starts   INTEGER NOT NULL,
    ends     INTEGER NOT NULL,
    per_kwh  INTEGER NOT NULL,
    PRIMARY KEY (provider, starts)
) STRICT, WITHOUT ROWID;
INSERT INTO price VALUES('spot',1700000000000,1700000900000,-12000);
CREATE TABLE secret (
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    owner   TEXT NOT NULL,
    bytes   BLOB NOT NULL,
    expires INTEGER,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO secret VALUES('password','admin','admin',X'0100c8',NULL);
CREATE TABLE session (
    id        TEXT PRIMARY KEY,
    site      TEXT NOT NULL,
    evse      TEXT NOT NULL,
    vehicle   TEXT,
    plugged   INTEGER NOT NULL,
    unplugged INTEGER,
    revision  INTEGER NOT NULL,
    body      TEXT NOT NULL
) STRICT;
INSERT INTO session VALUES('s1','home','left',NULL,1700000000000,NULL,7,'{"id":"s1","site":"home","evse":"left","plugged":1700000000000,"unplugged":null,"vehicle":null,"transactions":[{"number":1,"authorisation":{"kind":"rfid","user":"zoe","card":"tag"},"started":1700000000000,"stopped":null,"meter_start":1000,"meter_stop":3500,"energy":2500,"per_phase":{"l1":2500,"l2":0,"l3":0},"one_phase":2500,"three_phase":0,"origin":{"sun":2000,"battery":0,"grid":500},"charging":3600000,"peak":3600,"cost":{"amount":155000,"currency":"EUR"},"estimated":false}],"revision":7}');
CREATE TABLE setpoint (
    site       TEXT NOT NULL,
    evse       TEXT NOT NULL,
    current_ma INTEGER,
    PRIMARY KEY (site, evse)
) STRICT, WITHOUT ROWID;
INSERT INTO setpoint VALUES('home','left',8000);
CREATE TABLE wish (
    site TEXT NOT NULL,
    evse TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (site, evse)
) STRICT, WITHOUT ROWID;
INSERT INTO wish VALUES('home','left','{"mode":"solar","force":"neutral","current":13000,"phases":null}');
CREATE TABLE entity (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    operator TEXT NOT NULL,
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    parent   TEXT,
    UNIQUE (operator, kind, id)
) STRICT;
INSERT INTO entity VALUES(1,'MA005DBW1','station','S1',NULL);
INSERT INTO entity VALUES(2,'MA005DBW1','equipment','E1','S1');
INSERT INTO entity VALUES(3,'MA005DBW1','port','P1','E1');
CREATE TABLE entity_body (
    number INTEGER PRIMARY KEY,
    body   TEXT NOT NULL
) STRICT;
INSERT INTO entity_body VALUES(1,'{"fields":{"rated_power":7000000,"standard":"GB/T 2099.1"},"told":1700000000000}');
INSERT INTO entity_body VALUES(2,'{"fields":{"rated_power":7000000,"standard":"GB/T 2099.1"},"told":1700000000000}');
INSERT INTO entity_body VALUES(3,'{"fields":{"rated_power":7000000,"standard":"GB/T 2099.1"},"told":1700000000000}');
CREATE TABLE journal (
    number   INTEGER PRIMARY KEY,
    operator TEXT NOT NULL,
    at       INTEGER NOT NULL,
    samples  INTEGER NOT NULL,
    repairs  TEXT,
    body     BLOB NOT NULL
) STRICT;
INSERT INTO journal VALUES(1,'MA005DBW1',1700003600000,12,NULL,X'010c02503102453180a0abfef96202bd19000400d59402d40f00024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004d804e59402d40f24024331010f7369676e616c5f737472656e67746802323102503100c0cf240612bd190004b009f59402d40f44024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004880e859502d40f64024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004e012959502d40f8401024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004b817a59502d40f15024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004901cb59502d40fc401024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004e820e61bd40fe401024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004c025d59502d40f8402024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004982ae59502d40fa402024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004f02ef59502d40f25024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004c833859602d40fe402024331010f7369676e616c5f737472656e677468023231');
INSERT INTO journal VALUES(2,'MA005DBW1',1700004500000,3,NULL,X'010302503102453180dae281fa6202bd190004a038959602d40f8403024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004f83ca59602d40fa403024331010f7369676e616c5f737472656e67746802323102503100c0cf2402bd190004d041b59602d40fc403024331010f7369676e616c5f737472656e677468023231');
CREATE TABLE journal_done (number INTEGER NOT NULL) STRICT;
INSERT INTO journal_done VALUES(1);
CREATE TABLE journal_paged (
    operator TEXT PRIMARY KEY,
    number   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO journal_paged VALUES('MA005DBW1',1);
CREATE TABLE sample_page (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    operator   TEXT NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    first_port TEXT NOT NULL,
    last_port  TEXT NOT NULL,
    count      INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;
INSERT INTO sample_page VALUES(1,'MA005DBW1',1700000000000,1700003300000,'P1','P1',12,X'020c010002503105010118000080d095ffbc310a020c00e0a7120001fe0f010002453105010c00000008020c04040001040005010112000006010cfa32000005010c0000000005010c04000005010c00000012020cc09486d301a08d0600041032547698ba08010ca0cb98010000000a020c00a09c010001fe0f0000010002433105010c00000001000f7369676e616c5f737472656e67746801010005010c000000010002323105010c000000');
CREATE TABLE latest_sample (
    number INTEGER PRIMARY KEY,
    body   BLOB NOT NULL
) STRICT;
INSERT INTO latest_sample VALUES(3,X'0101025031024531c08abe81fa6202bd190004c833859602d40fe402024331010f7369676e616c5f737472656e677468023231');
CREATE TABLE charge_record (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    operator     TEXT NOT NULL,
    charge       TEXT NOT NULL,
    port         TEXT NOT NULL,
    started      INTEGER NOT NULL,
    ended        INTEGER NOT NULL,
    received     INTEGER NOT NULL,
    orphan       INTEGER NOT NULL,
    personal     INTEGER NOT NULL,
    energy       INTEGER NOT NULL,
    energy_cost  INTEGER NOT NULL,
    service_cost INTEGER NOT NULL,
    body         TEXT NOT NULL,
    UNIQUE (operator, charge)
) STRICT;
INSERT INTO charge_record VALUES(1,'MA005DBW1','C0','P1',1699990000000,1699999000000,1700000000000,0,1,1500000,900000,100000,'{"charge":"C0","port":"P1","start":1699990000000,"end":1699999000000,"energy":1500000,"energy_cost":900000,"service_cost":100000,"start_kind":1,"stop_reason":9,"person":"digest"}');
CREATE TABLE failure (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    operator TEXT NOT NULL,
    state    TEXT NOT NULL,
    body     TEXT NOT NULL
) STRICT;
INSERT INTO failure VALUES(1,'f1','MA005DBW1','open','{"id":"f1","operator":"MA005DBW1","port":"P9","body":"{}","path":"/report","first":1700000000000,"last":1700000000000,"count":1,"state":"open","status":404,"message":"cellId: unknown port"}');
CREATE TABLE warning (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    operator TEXT NOT NULL,
    cleared  INTEGER,
    body     TEXT NOT NULL
) STRICT;
INSERT INTO warning VALUES(1,'w1','MA005DBW1',NULL,'{"id":"w1","operator":"MA005DBW1","port":"P1","rule":"smoke","level":"high","reason":"smoke","raised":1700000000000,"told":null,"cleared":null,"escalated":false,"samples":[{"port":"P1","equipment":"E1","at":1700003300000,"state":"charging","error":0,"voltage":222400000,"current":1250000,"energy":220000,"duration_s":3300,"charge":"C1","smoke":2,"more":{"signal_strength":"21"}}]}');
CREATE TABLE report_quality (
    operator TEXT NOT NULL,
    day      TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (operator, day)
) STRICT, WITHOUT ROWID;
INSERT INTO report_quality VALUES('MA005DBW1','2023-11-15','{"kept":12,"failed":0,"repaired":0,"lost":0,"late":0,"records":0,"warnings":0,"told":0,"not_told":0,"findings":{}}');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('entity',3);
INSERT INTO sqlite_sequence VALUES('failure',1);
INSERT INTO sqlite_sequence VALUES('warning',1);
INSERT INTO sqlite_sequence VALUES('sample_page',1);
INSERT INTO sqlite_sequence VALUES('charge_record',1);
CREATE INDEX alarm_newest ON alarm (site, raised);
CREATE INDEX session_of_site ON session (site, plugged, id);
CREATE INDEX session_newest ON session (plugged, id);
CREATE INDEX session_open ON session (site) WHERE unplugged IS NULL;
CREATE INDEX billed_to_user ON billed (user_id, plugged) WHERE user_id IS NOT NULL;
CREATE INDEX billed_to_card ON billed (card, plugged) WHERE card IS NOT NULL;
CREATE INDEX parcel_waiting ON parcel (target, number) WHERE state = 'waiting';
CREATE INDEX parcel_by_state ON parcel (state, number);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_principal ON audit (principal, id);
CREATE INDEX alarm_open ON alarm (site, raised) WHERE cleared IS NULL;
CREATE INDEX journal_of_operator ON journal (operator, number);
CREATE INDEX sample_page_of_operator ON sample_page (operator, last_at, first_at, first_port, last_port);
CREATE INDEX sample_page_oldest ON sample_page (last_at);
CREATE INDEX charge_record_of_operator ON charge_record (operator, number);
CREATE INDEX charge_record_of_port ON charge_record (operator, port, number);
CREATE INDEX charge_record_since ON charge_record (started, energy, energy_cost, service_cost);
CREATE INDEX charge_record_of_operator_since
    ON charge_record (operator, started, energy, energy_cost, service_cost);
CREATE INDEX charge_record_orphan ON charge_record (operator, port) WHERE orphan = 1;
CREATE INDEX charge_record_personal ON charge_record (ended) WHERE personal = 1;
CREATE INDEX failure_of_operator ON failure (operator, number);
CREATE INDEX failure_by_state ON failure (state, number);
CREATE INDEX warning_of_operator ON warning (operator, number);
CREATE INDEX warning_open ON warning (number) WHERE cleared IS NULL;
CREATE INDEX report_quality_by_day ON report_quality (day, operator);
CREATE TABLE upload (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    platform TEXT NOT NULL,
    lane     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    problem  TEXT,
    body     TEXT NOT NULL
) STRICT;
CREATE INDEX upload_waiting ON upload (platform, lane, number) WHERE problem IS NULL;
CREATE INDEX upload_problem ON upload (platform, number) WHERE problem IS NOT NULL;
CREATE TABLE upload_state (
    platform TEXT PRIMARY KEY,
    note     TEXT,
    dropped  INTEGER NOT NULL,
    refused  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE upload_told (
    platform TEXT NOT NULL,
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (platform, kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO upload VALUES(1,'city','sample',1700000000000,NULL,'{"kind":"sample","sample":{"port":"P1","equipment":"E1","at":1700000000000,"state":"idle"}}');
INSERT INTO upload_state VALUES('city','noted',2,1);
INSERT INTO upload_told VALUES('city','station','ST1','{"kind":"station","id":"ST1","parent":null,"fields":{"name":"Home"},"told":0}');
COMMIT;
PRAGMA user_version = 4;
