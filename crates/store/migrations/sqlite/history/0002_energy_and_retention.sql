-- The first reading of a rollup, with its time. Rows written before have none.
ALTER TABLE quarter ADD COLUMN first INTEGER;
ALTER TABLE quarter ADD COLUMN first_at_ms INTEGER;
ALTER TABLE day ADD COLUMN first INTEGER;
ALTER TABLE day ADD COLUMN first_at_ms INTEGER;

-- Readings condensed to minutes, written when their blocks are removed.
CREATE TABLE minute (
    key         INTEGER PRIMARY KEY,
    count       INTEGER NOT NULL,
    sum         INTEGER NOT NULL,
    lowest      INTEGER NOT NULL,
    highest     INTEGER NOT NULL,
    last        INTEGER NOT NULL,
    last_at_ms  INTEGER NOT NULL,
    first       INTEGER,
    first_at_ms INTEGER
) STRICT;

-- Before these times a series has no readings at full resolution, and no minutes any more.
ALTER TABLE series ADD COLUMN thinned_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE series ADD COLUMN coarse_ms INTEGER NOT NULL DEFAULT 0;

-- Columns of times that several blocks share: the series of a device are read together. The upper 36 bits of an
-- id are the first second, the lower ones and the proof are taken from the content.
CREATE TABLE clock (
    id    INTEGER PRIMARY KEY,
    proof INTEGER NOT NULL,
    times BLOB NOT NULL
) STRICT;
-- Blocks written before have their own times instead.
ALTER TABLE block ADD COLUMN clock INTEGER;
