/** What the commands of the spike need of the schema. It has no deleted manifests, counts, pulls or garbage. */
export const SCHEMA = `
  CREATE TABLE repositories (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE,
    revision bigint NOT NULL, updated bigint NOT NULL);
  CREATE TABLE contents (digest text COLLATE "C" PRIMARY KEY, size bigint NOT NULL, key text, bytes bytea);
  CREATE TABLE links (
    repository bigint, digest text COLLATE "C", unused bigint, PRIMARY KEY (repository, digest));
  CREATE INDEX links_by_digest ON links (digest);
  CREATE TABLE manifests (
    repository bigint, digest text COLLATE "C", media_type text NOT NULL, artifact_type text, size bigint NOT NULL,
    subject text, annotations json, pushed bigint NOT NULL, position bigint NOT NULL,
    PRIMARY KEY (repository, digest));
  CREATE INDEX manifests_by_digest ON manifests (digest);
  CREATE TABLE edges (
    repository bigint, parent text COLLATE "C", child text COLLATE "C", kind text, size bigint NOT NULL,
    PRIMARY KEY (repository, parent, child, kind));
  CREATE INDEX edges_by_child ON edges (repository, child);
  CREATE TABLE tags (
    repository bigint, name text COLLATE "C", digest text COLLATE "C" NOT NULL, revision bigint NOT NULL,
    PRIMARY KEY (repository, name));
  CREATE INDEX tags_by_digest ON tags (repository, digest);
  CREATE TABLE changes (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, repository bigint NOT NULL, revision bigint NOT NULL,
    at bigint NOT NULL, kind text NOT NULL, subject text NOT NULL, old text, new text,
    UNIQUE (repository, revision));
  CREATE TABLE uploads (
    id text PRIMARY KEY, repository text NOT NULL, key text NOT NULL, lease text, leased_until bigint,
    version bigint NOT NULL DEFAULT 1, touched bigint NOT NULL);
`
