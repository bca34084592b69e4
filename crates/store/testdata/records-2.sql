-- records.db of schema 2.
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
INSERT INTO "alarm" VALUES(1,'home','','limit_exceeded','error','too much',1700000000000,NULL,NULL,NULL);
CREATE TABLE alias (
    dialect TEXT NOT NULL,
    name    TEXT NOT NULL,
    means   TEXT NOT NULL,
    PRIMARY KEY (dialect, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "alias" VALUES('goe','050001','evse:left');
CREATE TABLE audit (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    principal TEXT NOT NULL,
    door      TEXT NOT NULL,
    action    TEXT NOT NULL,
    outcome   TEXT NOT NULL
) STRICT;
INSERT INTO "audit" VALUES(1,1700000000000,'admin','native','sign in','done');
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
INSERT INTO "billed" VALUES('s1',1,1700000000000,'zoe','tag',2500,3600000,2000,0,500,155000,'EUR');
CREATE TABLE control_memory (
    site    TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    bytes   BLOB NOT NULL
) STRICT;
INSERT INTO "control_memory" VALUES('home',1,X'0102');
CREATE TABLE device (
    site     TEXT NOT NULL,
    device   TEXT NOT NULL,
    seen_at  INTEGER NOT NULL,
    identity TEXT,
    PRIMARY KEY (site, device)
) STRICT, WITHOUT ROWID;
INSERT INTO "device" VALUES('home','meter',1700000000000,'maker model 3.1');
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
INSERT INTO "epoch" VALUES('home',1);
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
INSERT INTO "noun" VALUES('user','admin','{"id":"admin","name":"The \"admin\"","role":"admin"}');
INSERT INTO "noun" VALUES('user','zoe','{"id":"zoe","name":"Zoë","role":"viewer"}');
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
INSERT INTO "price" VALUES('spot',1700000000000,1700000900000,-12000);
CREATE TABLE secret (
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    owner   TEXT NOT NULL,
    bytes   BLOB NOT NULL,
    expires INTEGER,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "secret" VALUES('password','admin','admin',X'0100C8',NULL);
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
INSERT INTO "session" VALUES('s1','home','left',NULL,1700000000000,NULL,7,'{"id":"s1","site":"home","evse":"left","plugged":1700000000000,"unplugged":null,"vehicle":null,"transactions":[{"number":1,"authorisation":{"kind":"rfid","user":"zoe","card":"tag"},"started":1700000000000,"stopped":null,"meter_start":1000,"meter_stop":3500,"energy":2500,"per_phase":{"l1":2500,"l2":0,"l3":0},"one_phase":2500,"three_phase":0,"origin":{"sun":2000,"battery":0,"grid":500},"charging":3600000,"peak":3600,"cost":{"amount":155000,"currency":"EUR"},"estimated":false}],"revision":7}');
CREATE TABLE setpoint (
    site       TEXT NOT NULL,
    evse       TEXT NOT NULL,
    current_ma INTEGER,
    PRIMARY KEY (site, evse)
) STRICT, WITHOUT ROWID;
INSERT INTO "setpoint" VALUES('home','left',8000);
CREATE TABLE wish (
    site TEXT NOT NULL,
    evse TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (site, evse)
) STRICT, WITHOUT ROWID;
INSERT INTO "wish" VALUES('home','left','{"mode":"solar","force":"neutral","current":13000,"phases":null}');
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
COMMIT;
PRAGMA user_version = 2;
