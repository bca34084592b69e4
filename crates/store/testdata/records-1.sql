-- records.db as a program of schema 1 wrote it.
BEGIN TRANSACTION;
CREATE TABLE alarm (
    id       INTEGER PRIMARY KEY,
    site     TEXT NOT NULL,
    device   TEXT NOT NULL,
    code     TEXT NOT NULL,
    severity TEXT NOT NULL,
    text     TEXT NOT NULL,
    raised   INTEGER NOT NULL,
    cleared  INTEGER,
    UNIQUE (site, device, code, raised)
) STRICT;
INSERT INTO "alarm" VALUES(1,'home','','limit_exceeded','error','too much',1700000000000,NULL);
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
CREATE TABLE secret (
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    owner   TEXT NOT NULL,
    bytes   BLOB NOT NULL,
    expires INTEGER,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "secret" VALUES('password','admin','admin',X'0100C8',NULL);
CREATE TABLE setpoint (
    site       TEXT NOT NULL,
    evse       TEXT NOT NULL,
    current_ma INTEGER,
    PRIMARY KEY (site, evse)
) STRICT, WITHOUT ROWID;
INSERT INTO "setpoint" VALUES('home','left',8000);
CREATE TABLE user (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "user" VALUES('admin','The "admin"','admin');
INSERT INTO "user" VALUES('zoe','Zoë','viewer');
CREATE TABLE wish (
    site TEXT NOT NULL,
    evse TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (site, evse)
) STRICT, WITHOUT ROWID;
INSERT INTO "wish" VALUES('home','left','{"mode":"solar","force":"neutral","current":13000,"phases":null}');
CREATE INDEX alarm_newest ON alarm (site, raised);
COMMIT;
PRAGMA user_version = 1;
