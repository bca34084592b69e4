-- What operators register and report, and what becomes of it.

-- Stations, equipment and ports without what they say of themselves, so that all of them are read quickly. Numbers
-- are never given again.
CREATE TABLE entity (
    number   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator TEXT COLLATE "C" NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    id       TEXT COLLATE "C" NOT NULL,
    parent   TEXT COLLATE "C",
    UNIQUE (operator, kind, id)
);
-- What they say, as JSON of the model.
CREATE TABLE entity_body (
    number BIGINT PRIMARY KEY,
    body   TEXT NOT NULL
);

-- Samples as they came, one row for each call. `samples` is how many they are, `repairs` the failure that they mend.
CREATE TABLE journal (
    number   BIGINT PRIMARY KEY,
    operator TEXT COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL,
    samples  BIGINT NOT NULL,
    repairs  TEXT COLLATE "C",
    body     BYTEA NOT NULL
);
ALTER TABLE journal ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX journal_of_operator ON journal (operator, number);

-- Up to where the journal is worked off; always one row.
CREATE TABLE journal_done (number BIGINT NOT NULL);
INSERT INTO journal_done (number) VALUES (0);

-- Up to where the entries of an operator stand in pages already. They are deleted when nothing else is before them.
CREATE TABLE journal_paged (
    operator TEXT COLLATE "C" PRIMARY KEY,
    number   BIGINT NOT NULL
);

-- Samples of one operator, sorted by port and time, in columns.
CREATE TABLE sample_page (
    number     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator   TEXT COLLATE "C" NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    first_port TEXT COLLATE "C" NOT NULL,
    last_port  TEXT COLLATE "C" NOT NULL,
    count      BIGINT NOT NULL,
    body       BYTEA NOT NULL
);
ALTER TABLE sample_page ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX sample_page_of_operator ON sample_page (operator, last_at, first_at, first_port, last_port);
CREATE INDEX sample_page_oldest ON sample_page (last_at);

-- The newest sample of each port, by its number.
CREATE TABLE latest_sample (
    number BIGINT PRIMARY KEY,
    body   BYTEA NOT NULL
);
ALTER TABLE latest_sample ALTER COLUMN body SET STORAGE EXTERNAL;

-- Charges that have ended. `body` is the record as JSON; the columns are for finding it and for sums. `orphan`: its
-- port was not known; `personal`: something in it could name a person.
CREATE TABLE charge_record (
    number       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator     TEXT COLLATE "C" NOT NULL,
    charge       TEXT COLLATE "C" NOT NULL,
    port         TEXT COLLATE "C" NOT NULL,
    started      BIGINT NOT NULL,
    ended        BIGINT NOT NULL,
    received     BIGINT NOT NULL,
    orphan       BIGINT NOT NULL,
    personal     BIGINT NOT NULL,
    energy       BIGINT NOT NULL,
    energy_cost  BIGINT NOT NULL,
    service_cost BIGINT NOT NULL,
    body         TEXT NOT NULL,
    UNIQUE (operator, charge)
);
CREATE INDEX charge_record_of_operator ON charge_record (operator, number);
CREATE INDEX charge_record_of_port ON charge_record (operator, port, number);
CREATE INDEX charge_record_since ON charge_record (started, energy, energy_cost, service_cost);
CREATE INDEX charge_record_of_operator_since
    ON charge_record (operator, started, energy, energy_cost, service_cost);
CREATE INDEX charge_record_orphan ON charge_record (operator, port) WHERE orphan = 1;
CREATE INDEX charge_record_personal ON charge_record (ended) WHERE personal = 1;

-- Samples that could not be used, and dangers; as JSON of the model.
CREATE TABLE failure (
    number   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id       TEXT COLLATE "C" NOT NULL UNIQUE,
    operator TEXT COLLATE "C" NOT NULL,
    state    TEXT COLLATE "C" NOT NULL,
    body     TEXT NOT NULL
);
CREATE INDEX failure_of_operator ON failure (operator, number);
CREATE INDEX failure_by_state ON failure (state, number);
CREATE TABLE warning (
    number   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id       TEXT COLLATE "C" NOT NULL UNIQUE,
    operator TEXT COLLATE "C" NOT NULL,
    cleared  BIGINT,
    body     TEXT NOT NULL
);
CREATE INDEX warning_of_operator ON warning (operator, number);
CREATE INDEX warning_open ON warning (number) WHERE cleared IS NULL;

-- How well operators report, by days of the authority's calendar.
CREATE TABLE report_quality (
    operator TEXT COLLATE "C" NOT NULL,
    day      TEXT COLLATE "C" NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (operator, day)
);
CREATE INDEX report_quality_by_day ON report_quality (day, operator);
