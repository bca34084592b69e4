-- Configuration, records and readings. Times are milliseconds since 1970 UTC. Texts are ordered by their bytes.

-- How often the database was opened: who finds another number than its own has been overtaken.
CREATE TABLE opened (
    number BIGINT NOT NULL
);
INSERT INTO opened (number) VALUES (0);

-- The newest epoch of an engine per site; writes under an older one are refused.
CREATE TABLE epoch (
    site   TEXT COLLATE "C" PRIMARY KEY,
    newest BIGINT NOT NULL
);

-- What somebody wants of an EVSE, as JSON of the model.
CREATE TABLE wish (
    site TEXT COLLATE "C" NOT NULL,
    evse TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (site, evse)
);

CREATE TABLE device (
    site     TEXT COLLATE "C" NOT NULL,
    device   TEXT COLLATE "C" NOT NULL,
    seen_at  BIGINT NOT NULL,
    identity TEXT,
    PRIMARY KEY (site, device)
);

-- The last vendor document of a device.
CREATE TABLE document (
    site    TEXT COLLATE "C" NOT NULL,
    device  TEXT COLLATE "C" NOT NULL,
    dialect TEXT NOT NULL,
    at      BIGINT NOT NULL,
    json    TEXT NOT NULL,
    PRIMARY KEY (site, device)
);

-- The last setpoint of an EVSE in mA; NULL is paused.
CREATE TABLE setpoint (
    site       TEXT COLLATE "C" NOT NULL,
    evse       TEXT COLLATE "C" NOT NULL,
    current_ma BIGINT,
    PRIMARY KEY (site, evse)
);

-- Opaque memory of the control cycle.
CREATE TABLE control_memory (
    site    TEXT COLLATE "C" PRIMARY KEY,
    version BIGINT NOT NULL,
    bytes   BYTEA NOT NULL
);

-- Users, cards, vehicles, tariffs: one JSON document of the model each.
CREATE TABLE noun (
    kind TEXT COLLATE "C" NOT NULL,
    id   TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Hashed or sealed by the gate; never in clear.
CREATE TABLE secret (
    kind    TEXT COLLATE "C" NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    owner   TEXT NOT NULL,
    bytes   BYTEA NOT NULL,
    expires BIGINT,
    PRIMARY KEY (kind, name)
);

-- What a dialect calls a thing of ours. Rows are never changed and never deleted.
CREATE TABLE alias (
    dialect TEXT COLLATE "C" NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    means   TEXT NOT NULL,
    PRIMARY KEY (dialect, name)
);

CREATE TABLE audit (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        BIGINT NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    door      TEXT NOT NULL,
    action    TEXT NOT NULL,
    outcome   TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_principal ON audit (principal, id);

-- An alarm of the whole site has an empty device.
CREATE TABLE alarm (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site            TEXT COLLATE "C" NOT NULL,
    device          TEXT COLLATE "C" NOT NULL,
    code            TEXT COLLATE "C" NOT NULL,
    severity        TEXT NOT NULL,
    text            TEXT NOT NULL,
    raised          BIGINT NOT NULL,
    cleared         BIGINT,
    acknowledged_by TEXT,
    acknowledged_at BIGINT,
    UNIQUE (site, device, code, raised)
);
CREATE INDEX alarm_newest ON alarm (site, raised);
CREATE INDEX alarm_open ON alarm (site, raised) WHERE cleared IS NULL;

-- `body` is the whole session as JSON; the columns are for finding it.
CREATE TABLE session (
    id        TEXT COLLATE "C" PRIMARY KEY,
    site      TEXT COLLATE "C" NOT NULL,
    evse      TEXT COLLATE "C" NOT NULL,
    vehicle   TEXT COLLATE "C",
    plugged   BIGINT NOT NULL,
    unplugged BIGINT,
    revision  BIGINT NOT NULL,
    body      TEXT NOT NULL
);
CREATE INDEX session_of_site ON session (site, plugged, id);
CREATE INDEX session_newest ON session (plugged, id);
CREATE INDEX session_open ON session (site) WHERE unplugged IS NULL;

-- The transactions of sessions, for filters and totals. `plugged` is that of the session.
CREATE TABLE billed (
    session     TEXT COLLATE "C" NOT NULL,
    number      BIGINT NOT NULL,
    plugged     BIGINT NOT NULL,
    user_id     TEXT COLLATE "C",
    card        TEXT COLLATE "C",
    energy_wh   BIGINT NOT NULL,
    charging_ms BIGINT NOT NULL,
    sun_wh      BIGINT NOT NULL,
    battery_wh  BIGINT NOT NULL,
    grid_wh     BIGINT NOT NULL,
    cost        BIGINT,
    currency    TEXT COLLATE "C",
    PRIMARY KEY (session, number)
);
CREATE INDEX billed_to_user ON billed (user_id, plugged) WHERE user_id IS NOT NULL;
CREATE INDEX billed_to_card ON billed (card, plugged) WHERE card IS NOT NULL;

-- Quarter-hours of a site, as JSON of the model.
CREATE TABLE ledger (
    site  TEXT COLLATE "C" NOT NULL,
    start BIGINT NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (site, start)
);

-- `number` is the order in which parcels of one target leave. `at` is when to try next, or when the parcel was
-- delivered or given up.
CREATE TABLE parcel (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id     TEXT COLLATE "C" NOT NULL UNIQUE,
    target TEXT COLLATE "C" NOT NULL,
    state  TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL,
    body   TEXT NOT NULL
);
CREATE INDEX parcel_waiting ON parcel (target, number) WHERE state = 'waiting';
CREATE INDEX parcel_by_state ON parcel (state, number);

-- Prices of dynamic tariffs in millionths per kWh. Those of one provider do not overlap.
CREATE TABLE price (
    provider TEXT COLLATE "C" NOT NULL,
    starts   BIGINT NOT NULL,
    ends     BIGINT NOT NULL,
    per_kwh  BIGINT NOT NULL,
    PRIMARY KEY (provider, starts)
);

-- Readings. A key is series << 36 | start second, so that the rows of a series lie together in order of time.
-- Before the two times a series has no readings at full resolution, and no minutes any more.
CREATE TABLE series (
    id         BIGINT PRIMARY KEY,
    subject    TEXT COLLATE "C" NOT NULL,
    quantity   TEXT COLLATE "C" NOT NULL,
    thinned_ms BIGINT NOT NULL DEFAULT 0,
    coarse_ms  BIGINT NOT NULL DEFAULT 0,
    UNIQUE (subject, quantity)
);

-- Sealed readings: two compressed columns of integers, the times here or in a clock. They need no second
-- compression. Blocks of a series do not overlap in time.
CREATE TABLE block (
    key      BIGINT PRIMARY KEY,
    first_ms BIGINT NOT NULL,
    last_ms  BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    times    BYTEA NOT NULL,
    readings BYTEA NOT NULL,
    clock    BIGINT
);
ALTER TABLE block ALTER COLUMN times SET STORAGE EXTERNAL, ALTER COLUMN readings SET STORAGE EXTERNAL;

-- Columns of times that several blocks share: the series of a device are read together. The upper 36 bits of an
-- id are the first second, the lower ones and the proof are taken from the content.
CREATE TABLE clock (
    id    BIGINT PRIMARY KEY,
    proof BIGINT NOT NULL,
    times BYTEA NOT NULL
);
ALTER TABLE clock ALTER COLUMN times SET STORAGE EXTERNAL;

-- Readings not sealed yet, of all series that got some since the row before.
CREATE TABLE hot (
    id   BIGINT PRIMARY KEY,
    body BYTEA NOT NULL
);

-- Sealed readings condensed to quarter-hours and days of UTC, and to minutes when their blocks are removed.
CREATE TABLE quarter (
    key         BIGINT PRIMARY KEY,
    count       BIGINT NOT NULL,
    sum         BIGINT NOT NULL,
    lowest      BIGINT NOT NULL,
    highest     BIGINT NOT NULL,
    last        BIGINT NOT NULL,
    last_at_ms  BIGINT NOT NULL,
    first       BIGINT,
    first_at_ms BIGINT
);
CREATE TABLE day (
    key         BIGINT PRIMARY KEY,
    count       BIGINT NOT NULL,
    sum         BIGINT NOT NULL,
    lowest      BIGINT NOT NULL,
    highest     BIGINT NOT NULL,
    last        BIGINT NOT NULL,
    last_at_ms  BIGINT NOT NULL,
    first       BIGINT,
    first_at_ms BIGINT
);
CREATE TABLE minute (
    key         BIGINT PRIMARY KEY,
    count       BIGINT NOT NULL,
    sum         BIGINT NOT NULL,
    lowest      BIGINT NOT NULL,
    highest     BIGINT NOT NULL,
    last        BIGINT NOT NULL,
    last_at_ms  BIGINT NOT NULL,
    first       BIGINT,
    first_at_ms BIGINT
);
