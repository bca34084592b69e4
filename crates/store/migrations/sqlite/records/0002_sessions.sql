-- Sessions, the ledger, what is owed to the outside, prices, and nouns that are kept whole.

-- Users, cards, vehicles, tariffs: one JSON document of the model each.
CREATE TABLE noun (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

INSERT INTO noun (kind, id, body)
SELECT 'user', id, json_object('id', id, 'name', name, 'role', role) FROM user;
DROP TABLE user;

-- `body` is the whole session as JSON; the columns are for finding it.
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
CREATE INDEX session_of_site ON session (site, plugged, id);
CREATE INDEX session_newest ON session (plugged, id);
CREATE INDEX session_open ON session (site) WHERE unplugged IS NULL;

-- The transactions of sessions, for filters and totals. `plugged` is that of the session.
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
CREATE INDEX billed_to_user ON billed (user_id, plugged) WHERE user_id IS NOT NULL;
CREATE INDEX billed_to_card ON billed (card, plugged) WHERE card IS NOT NULL;

-- Quarter-hours of a site, as JSON of the model.
CREATE TABLE ledger (
    site  TEXT NOT NULL,
    start INTEGER NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (site, start)
) STRICT;

-- `number` is the order in which parcels of one target leave. `at` is when to try next, or when the parcel was
-- delivered or given up.
CREATE TABLE parcel (
    number INTEGER PRIMARY KEY,
    id     TEXT NOT NULL UNIQUE,
    target TEXT NOT NULL,
    state  TEXT NOT NULL,
    at     INTEGER NOT NULL,
    body   TEXT NOT NULL
) STRICT;
CREATE INDEX parcel_waiting ON parcel (target, number) WHERE state = 'waiting';
CREATE INDEX parcel_by_state ON parcel (state, number);

-- Prices of dynamic tariffs in millionths per kWh. Those of one provider do not overlap.
CREATE TABLE price (
    provider TEXT NOT NULL,
    starts   INTEGER NOT NULL,
    ends     INTEGER NOT NULL,
    per_kwh  INTEGER NOT NULL,
    PRIMARY KEY (provider, starts)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_principal ON audit (principal, id);

ALTER TABLE alarm ADD COLUMN acknowledged_by TEXT;
ALTER TABLE alarm ADD COLUMN acknowledged_at INTEGER;
CREATE INDEX alarm_open ON alarm (site, raised) WHERE cleared IS NULL;
