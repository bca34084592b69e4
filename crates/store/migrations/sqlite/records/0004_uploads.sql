-- What we owe the platforms that we report our own sites to.

-- In the order in which it was put there. `lane` is sample, record or again; `problem` is what the platform said of
-- what it will not have: that stays and waits for somebody.
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

-- Of each platform: what the queue was made from, as its maker notes it, and what never got there.
CREATE TABLE upload_state (
    platform TEXT PRIMARY KEY,
    note     TEXT,
    dropped  INTEGER NOT NULL,
    refused  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Stations, equipment and ports as a platform was told them last, as JSON of the model.
CREATE TABLE upload_told (
    platform TEXT NOT NULL,
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (platform, kind, id)
) STRICT, WITHOUT ROWID;
