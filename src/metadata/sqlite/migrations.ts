import type { DatabaseSync } from 'node:sqlite'

/** The data folder was written by a version of the program that knows more than this one. */
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
 * @throws NewerDataError if it is ahead of this program; nothing is touched then
 */
export function migrate(database: DatabaseSync, migrations: readonly string[] = MIGRATIONS): void {
  for (let next = schemaVersion(database, migrations); next < migrations.length; next++) {
    database.exec(`BEGIN IMMEDIATE; ${migrations[next]}; PRAGMA user_version = ${next + 1}; COMMIT`)
  }
}
