import type { DatabaseSync } from 'node:sqlite'

/** The data folder was written by a newer version of the program. */
export class NewerDataError extends Error {
  override readonly name = 'NewerDataError'
}

/** Each is applied once, in order, in a transaction of its own; its number is kept in `user_version`. Never edit one that was released. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
  INSERT INTO settings VALUES ('secret', randomblob(32));

  CREATE TABLE repositories (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE contents (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    key TEXT,
    bytes BLOB,
    CHECK ((key IS NULL) <> (bytes IS NULL))
  ) STRICT;

  CREATE TABLE links (
    repository INTEGER NOT NULL,
    digest TEXT NOT NULL,
    unused INTEGER,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX links_by_digest ON links (digest);
  CREATE INDEX links_unused ON links (unused) WHERE unused IS NOT NULL;

  CREATE TABLE manifests (
    repository INTEGER NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    artifact_type TEXT,
    size INTEGER NOT NULL,
    subject TEXT,
    annotations TEXT,
    pushed INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX manifests_by_digest ON manifests (digest);
  CREATE INDEX manifests_by_subject ON manifests (repository, subject, digest) WHERE subject IS NOT NULL;

  CREATE TABLE edges (
    repository INTEGER NOT NULL,
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (repository, parent, child, kind)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX edges_by_child ON edges (repository, child);

  CREATE TABLE tags (
    repository INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (repository, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tags_by_digest ON tags (repository, digest);

  CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    repository INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    old TEXT,
    new TEXT,
    actor TEXT
  ) STRICT;
  CREATE UNIQUE INDEX changes_by_repository ON changes (repository, revision);

  CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    repository TEXT NOT NULL,
    position INTEGER NOT NULL,
    key TEXT,
    state TEXT NOT NULL,
    bytes BLOB,
    digests TEXT NOT NULL,
    lease TEXT,
    leased_until INTEGER,
    touched INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX uploads_by_touched ON uploads (touched);
  CREATE TABLE ended_uploads (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

  CREATE TABLE garbage (key TEXT PRIMARY KEY, queued INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX garbage_by_queued ON garbage (queued);
  `,
  `
  CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO marks VALUES ('pruned-changes', 0), ('counted-changes', 0);

  ALTER TABLE manifests ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE manifests ADD COLUMN total_size INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE manifests ADD COLUMN labels TEXT;
  ALTER TABLE manifests ADD COLUMN platform TEXT;
  ALTER TABLE manifests ADD COLUMN never_pulled INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE edges ADD COLUMN size INTEGER NOT NULL DEFAULT 0;

  CREATE TABLE pushes (
    repository INTEGER NOT NULL, digest TEXT NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO pushes SELECT repository, subject, max(revision) FROM changes WHERE kind = 'manifest-pushed' GROUP BY 1, 2;
  UPDATE manifests SET position = coalesce(
    (SELECT revision FROM pushes p WHERE p.repository = manifests.repository AND p.digest = manifests.digest), 0);
  DROP TABLE pushes;
  UPDATE edges SET size = coalesce((SELECT size FROM contents WHERE digest = edges.child), 0);
  UPDATE manifests SET total_size = size + coalesce((
    WITH RECURSIVE reached (digest, size) AS (
      SELECT child, size FROM edges e WHERE e.repository = manifests.repository AND e.parent = manifests.digest
      UNION
      SELECT e.child, e.size FROM reached r JOIN edges e ON e.repository = manifests.repository AND e.parent = r.digest
    ) SELECT sum(size) FROM reached), 0);
  CREATE INDEX manifests_by_position ON manifests (repository, position);
  CREATE INDEX manifests_by_total_size ON manifests (repository, total_size, digest);

  CREATE TABLE undescribed (
    repository INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO undescribed SELECT DISTINCT repository, parent FROM edges WHERE kind = 'config';

  CREATE TABLE pulls (
    repository INTEGER NOT NULL,
    digest TEXT NOT NULL,
    pulled INTEGER NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX pulls_by_time ON pulls (repository, pulled, digest);
  CREATE INDEX manifests_never_pulled ON manifests (repository, digest) WHERE never_pulled = 1;

  CREATE TABLE graves (
    repository INTEGER NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    artifact_type TEXT,
    size INTEGER NOT NULL,
    subject TEXT,
    annotations TEXT,
    pushed INTEGER NOT NULL,
    total_size INTEGER NOT NULL,
    labels TEXT,
    platform TEXT,
    deleted INTEGER NOT NULL,
    tags TEXT NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX graves_by_digest ON graves (digest);
  CREATE INDEX graves_by_deleted ON graves (deleted);

  CREATE TABLE grave_edges (
    repository INTEGER NOT NULL,
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    kind TEXT NOT NULL,
    size INTEGER NOT NULL,
    was_here INTEGER NOT NULL,
    PRIMARY KEY (repository, parent, child, kind)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX grave_edges_by_child ON grave_edges (repository, child);

  CREATE INDEX changes_of_tags ON changes (repository, subject, revision) WHERE kind IN ('tag-set', 'tag-removed');

  ALTER TABLE repositories ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE repositories ADD COLUMN pruned_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE repositories ADD COLUMN pruned_sequence INTEGER NOT NULL DEFAULT 0;

  CREATE TABLE deleted_repositories (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    pruned INTEGER NOT NULL,
    total INTEGER,
    removed INTEGER NOT NULL,
    finished INTEGER
  ) STRICT;
  CREATE INDEX deleted_repositories_by_name ON deleted_repositories (name, id);
  CREATE INDEX unfinished_deletions ON deleted_repositories (id) WHERE finished IS NULL;
  CREATE INDEX uploads_by_repository ON uploads (repository);

  CREATE TABLE counts (
    repository INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    tags INTEGER NOT NULL,
    manifests INTEGER NOT NULL,
    blobs INTEGER NOT NULL,
    size INTEGER NOT NULL,
    at INTEGER NOT NULL,
    took INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE uncounted (repository INTEGER PRIMARY KEY, due INTEGER NOT NULL) STRICT;
  CREATE INDEX uncounted_by_due ON uncounted (due);
  `,
  `
  ALTER TABLE uploads ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE uploads ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE uploads ADD COLUMN acknowledged_state TEXT NOT NULL DEFAULT '';
  ALTER TABLE uploads ADD COLUMN acknowledged_digests TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE uploads ADD COLUMN next_key TEXT;
  ALTER TABLE uploads ADD COLUMN must_move INTEGER NOT NULL DEFAULT 0;
  UPDATE uploads SET acknowledged = position, acknowledged_state = state, acknowledged_digests = digests;
  ALTER TABLE ended_uploads ADD COLUMN digest TEXT;
  ALTER TABLE ended_uploads ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
  `,
  `
  ALTER TABLE tags ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
  DROP INDEX tags_by_digest;
  CREATE INDEX tags_by_digest ON tags (repository, digest, name, revision);
  CREATE TABLE doomed_tags (
    repository INTEGER NOT NULL,
    digest TEXT NOT NULL,
    revision INTEGER NOT NULL,
    removed_to TEXT NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE loose_edges (
    repository INTEGER NOT NULL,
    parent TEXT NOT NULL,
    unused INTEGER,
    PRIMARY KEY (repository, parent)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX uploads_by_lease ON uploads (lease) WHERE lease IS NOT NULL;
  `,
  `
  CREATE TABLE job_runs (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    started INTEGER NOT NULL,
    took INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    result TEXT NOT NULL,
    error TEXT
  ) STRICT;
  CREATE INDEX job_runs_by_job ON job_runs (job);
  `,
]

/**
 * The schema that a database has.
 *
 * @throws NewerDataError if it is ahead of this program
 */
export function schemaVersion(database: DatabaseSync, migrations: readonly string[] = MIGRATIONS): number {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version)
  if (version <= migrations.length) return version
  throw new NewerDataError(
    `it has schema ${version}, and this version of Stowage knows schemas up to ${migrations.length}`,
  )
}

/**
 * Brings a database to the newest schema.
 *
 * @throws NewerDataError if it is newer than this program; nothing is changed then
 */
export function migrate(database: DatabaseSync, migrations: readonly string[] = MIGRATIONS): void {
  for (let next = schemaVersion(database, migrations); next < migrations.length; next++) {
    database.exec(`BEGIN IMMEDIATE; ${migrations[next]}; PRAGMA user_version = ${next + 1}; COMMIT`)
  }
}
