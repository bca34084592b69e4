-- What we owe the platforms that we report our own sites to.

-- In the order in which it was put there. `lane` is sample, record or again; `problem` is what the platform said of
-- what it will not have: that stays and waits for somebody.
CREATE TABLE upload (
    number   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform TEXT COLLATE "C" NOT NULL,
    lane     TEXT COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL,
    problem  TEXT,
    body     TEXT NOT NULL
);
CREATE INDEX upload_waiting ON upload (platform, lane, number) WHERE problem IS NULL;
CREATE INDEX upload_problem ON upload (platform, number) WHERE problem IS NOT NULL;

-- Of each platform: what the queue was made from, as its maker notes it, and what never got there.
CREATE TABLE upload_state (
    platform TEXT COLLATE "C" PRIMARY KEY,
    note     TEXT,
    dropped  BIGINT NOT NULL,
    refused  BIGINT NOT NULL
);

-- Stations, equipment and ports as a platform was told them last, as JSON of the model.
CREATE TABLE upload_told (
    platform TEXT COLLATE "C" NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    id       TEXT COLLATE "C" NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (platform, kind, id)
);
