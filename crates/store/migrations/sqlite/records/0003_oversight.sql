-- What operators register and report, and what becomes of it.

-- Stations, equipment and ports without what they say of themselves, so that all of them are read quickly. Numbers
-- are never given again.
CREATE TABLE entity (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    operator TEXT NOT NULL,
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    parent   TEXT,
    UNIQUE (operator, kind, id)
) STRICT;
-- What they say, as JSON of the model.
CREATE TABLE entity_body (
    number INTEGER PRIMARY KEY,
    body   TEXT NOT NULL
) STRICT;

-- Samples as they came, one row for each call. `samples` is how many they are, `repairs` the failure that they mend.
CREATE TABLE journal (
    number   INTEGER PRIMARY KEY,
    operator TEXT NOT NULL,
    at       INTEGER NOT NULL,
    samples  INTEGER NOT NULL,
    repairs  TEXT,
    body     BLOB NOT NULL
) STRICT;
CREATE INDEX journal_of_operator ON journal (operator, number);

-- Up to where the journal is worked off; always one row.
CREATE TABLE journal_done (number INTEGER NOT NULL) STRICT;
INSERT INTO journal_done (number) VALUES (0);

-- Up to where the entries of an operator stand in pages already. They are deleted when nothing else is before them.
CREATE TABLE journal_paged (
    operator TEXT PRIMARY KEY,
    number   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Samples of one operator, sorted by port and time, in columns.
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
CREATE INDEX sample_page_of_operator ON sample_page (operator, last_at, first_at, first_port, last_port);
CREATE INDEX sample_page_oldest ON sample_page (last_at);

-- The newest sample of each port, by its number.
CREATE TABLE latest_sample (
    number INTEGER PRIMARY KEY,
    body   BLOB NOT NULL
) STRICT;

-- Charges that have ended. `body` is the record as JSON; the columns are for finding it and for sums. `orphan`: its
-- port was not known; `personal`: something in it could name a person.
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
CREATE INDEX charge_record_of_operator ON charge_record (operator, number);
CREATE INDEX charge_record_of_port ON charge_record (operator, port, number);
CREATE INDEX charge_record_since ON charge_record (started, energy, energy_cost, service_cost);
CREATE INDEX charge_record_of_operator_since
    ON charge_record (operator, started, energy, energy_cost, service_cost);
CREATE INDEX charge_record_orphan ON charge_record (operator, port) WHERE orphan = 1;
CREATE INDEX charge_record_personal ON charge_record (ended) WHERE personal = 1;

-- Samples that could not be used, and dangers; as JSON of the model.
CREATE TABLE failure (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    operator TEXT NOT NULL,
    state    TEXT NOT NULL,
    body     TEXT NOT NULL
) STRICT;
CREATE INDEX failure_of_operator ON failure (operator, number);
CREATE INDEX failure_by_state ON failure (state, number);
CREATE TABLE warning (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    operator TEXT NOT NULL,
    cleared  INTEGER,
    body     TEXT NOT NULL
) STRICT;
CREATE INDEX warning_of_operator ON warning (operator, number);
CREATE INDEX warning_open ON warning (number) WHERE cleared IS NULL;

-- How well operators report, by days of the authority's calendar.
CREATE TABLE report_quality (
    operator TEXT NOT NULL,
    day      TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (operator, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_quality_by_day ON report_quality (day, operator);
