-- Readings. A key is series << 36 | start second, so that the rows of a series lie together in order of time.

CREATE TABLE series (
    id       INTEGER PRIMARY KEY,
    subject  TEXT NOT NULL,
    quantity TEXT NOT NULL,
    UNIQUE (subject, quantity)
) STRICT;

-- Sealed readings: two compressed columns of integers. Blocks of a series do not overlap in time.
CREATE TABLE block (
    key      INTEGER PRIMARY KEY,
    first_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    times    BLOB NOT NULL,
    readings BLOB NOT NULL
) STRICT;

-- Readings not sealed yet, of all series that got some since the row before.
CREATE TABLE hot (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- Sealed readings condensed to quarter-hours and days of UTC.
CREATE TABLE quarter (
    key        INTEGER PRIMARY KEY,
    count      INTEGER NOT NULL,
    sum        INTEGER NOT NULL,
    lowest     INTEGER NOT NULL,
    highest    INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE day (
    key        INTEGER PRIMARY KEY,
    count      INTEGER NOT NULL,
    sum        INTEGER NOT NULL,
    lowest     INTEGER NOT NULL,
    highest    INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL
) STRICT;
