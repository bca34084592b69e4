-- Configuration and records. Times are milliseconds since 1970 UTC.

-- The newest epoch of an engine per site; writes under an older one are refused.
CREATE TABLE epoch (
    site   TEXT PRIMARY KEY,
    newest INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What somebody wants of an EVSE, as JSON of the model.
CREATE TABLE wish (
    site TEXT NOT NULL,
    evse TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (site, evse)
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    site     TEXT NOT NULL,
    device   TEXT NOT NULL,
    seen_at  INTEGER NOT NULL,
    identity TEXT,
    PRIMARY KEY (site, device)
) STRICT, WITHOUT ROWID;

-- The last vendor document of a device. Large, so an ordinary table.
CREATE TABLE document (
    site    TEXT NOT NULL,
    device  TEXT NOT NULL,
    dialect TEXT NOT NULL,
    at      INTEGER NOT NULL,
    json    TEXT NOT NULL,
    PRIMARY KEY (site, device)
) STRICT;

-- The last setpoint of an EVSE in mA; NULL is paused.
CREATE TABLE setpoint (
    site       TEXT NOT NULL,
    evse       TEXT NOT NULL,
    current_ma INTEGER,
    PRIMARY KEY (site, evse)
) STRICT, WITHOUT ROWID;

-- Opaque memory of the control cycle.
CREATE TABLE control_memory (
    site    TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    bytes   BLOB NOT NULL
) STRICT;

CREATE TABLE user (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Hashed or sealed by the gate; never in clear.
CREATE TABLE secret (
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    owner   TEXT NOT NULL,
    bytes   BLOB NOT NULL,
    expires INTEGER,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- What a dialect calls a thing of ours. Rows are never changed and never deleted.
CREATE TABLE alias (
    dialect TEXT NOT NULL,
    name    TEXT NOT NULL,
    means   TEXT NOT NULL,
    PRIMARY KEY (dialect, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    principal TEXT NOT NULL,
    door      TEXT NOT NULL,
    action    TEXT NOT NULL,
    outcome   TEXT NOT NULL
) STRICT;

-- An alarm of the whole site has an empty device.
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
CREATE INDEX alarm_newest ON alarm (site, raised);
