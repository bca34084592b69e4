-- Minutes and quarter-hours of a UTC day of a series, packed into one row; its start is the day's. What is in the tables
-- `minute` and `quarter`, which had a row for each, is packed after this, and those tables are removed.
CREATE TABLE minute_page (
    key  INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE quarter_page (
    key  INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- Columns of times and readings may have the form that begins with a 2 as well: steps as fixed bits.
