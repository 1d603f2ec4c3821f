"""The ledger's tables, and how an older ledger becomes a newer one.

File names are bytes and stored as such: a name that isn't UTF-8 doesn't fit SQLite's text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_FIRST: Final = """
CREATE TABLE facts (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY,
    folder BLOB NOT NULL,
    sidecar BLOB NOT NULL,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    params TEXT,
    output BLOB NOT NULL,
    priority INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    not_before REAL NOT NULL,
    hold TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    duplicate_of TEXT NOT NULL,
    failure TEXT,
    rendered TEXT,
    staged BLOB,
    staged_identity TEXT,
    final BLOB,
    manifest BLOB,
    home BLOB,
    settled INTEGER NOT NULL
) STRICT;
CREATE INDEX open_jobs ON jobs (state, priority DESC, mtime_ns, job_id) WHERE NOT settled;
CREATE INDEX deferred ON jobs (not_before) WHERE NOT settled AND not_before > 0;
CREATE INDEX open_names ON jobs (folder, sidecar) WHERE NOT settled;
CREATE INDEX fingerprints ON jobs (fingerprint) WHERE state IN ('published', 'retired');
CREATE INDEX states ON jobs (state, job_id);

CREATE TABLE inputs (
    job_id TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    position INTEGER NOT NULL,
    role TEXT NOT NULL,
    root BLOB NOT NULL,
    relative BLOB NOT NULL,
    from_library INTEGER NOT NULL,
    weight REAL NOT NULL,
    device INTEGER,
    inode INTEGER,
    size INTEGER,
    mtime_ns INTEGER,
    sha256 TEXT NOT NULL,
    copy BLOB NOT NULL,
    fate TEXT NOT NULL,
    PRIMARY KEY (job_id, position)
) STRICT;
CREATE INDEX pending_inputs ON inputs (root, relative) WHERE fate = 'pending';

-- Everything that ever happened to a job. Monotonic times compare within one boot only.
CREATE TABLE transitions (
    job_id TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    at REAL NOT NULL,
    monotonic REAL NOT NULL,
    boot TEXT NOT NULL,
    state TEXT NOT NULL,
    note TEXT NOT NULL
) STRICT;
CREATE INDEX transitions_of ON transitions (job_id, at);

-- What nstd itself has put into done/ and failed/, so that retention deletes nothing else.
CREATE TABLE filed (
    job_id TEXT NOT NULL REFERENCES jobs ON DELETE CASCADE,
    path BLOB NOT NULL,
    at REAL NOT NULL,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX filed_at ON filed (at);
"""

# Pruning asks for the files of a job, retention forgets a path; neither may read the whole table.
_FILED_INDICES: Final = """
CREATE INDEX filed_of ON filed (job_id);
CREATE INDEX filed_paths ON filed (path);
"""

_DELIVERIES: Final = """
-- What hooks have yet to be told. Not bound to `jobs`: an event is told also when its job is gone.
CREATE TABLE deliveries (
    hook TEXT NOT NULL,
    message_id TEXT NOT NULL,
    message TEXT NOT NULL,
    queued_at REAL NOT NULL,
    attempts INTEGER NOT NULL,
    not_before REAL NOT NULL,
    PRIMARY KEY (hook, message_id)
) STRICT;
CREATE INDEX due_deliveries ON deliveries (hook, not_before, queued_at);
"""

# The latest job with a fingerprint is wanted: without its order here, thousands of runs of the
# same were read and sorted for each further one.
_LATEST_OF_FINGERPRINT: Final = """
DROP INDEX fingerprints;
CREATE INDEX fingerprints ON jobs (fingerprint, job_id) WHERE state IN ('published', 'retired');
"""

# Who looks for names reads all of them: here they lie together, in the table kilobytes apart.
_NAMES: Final = """
CREATE INDEX names ON jobs (job_id, folder, sidecar);
"""

# One script for each version; a ledger of version N has had the first N of them.
_MIGRATIONS: Final = (_FIRST, _FILED_INDICES, _DELIVERIES, _LATEST_OF_FINGERPRINT, _NAMES)
VERSION: Final = len(_MIGRATIONS)


def version(connection: sqlite3.Connection) -> int:
    """The version of the tables; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the present version, each step whole or not at all."""
    for number in range(version(connection), VERSION):
        connection.executescript(
            f"BEGIN IMMEDIATE;{_MIGRATIONS[number]}PRAGMA user_version = {number + 1};COMMIT;"
        )
