import type { Probe } from './probe.ts'

/** How binding a case is, in the words of RFC 2119. */
export type Level = 'MUST' | 'SHOULD' | 'MAY'

/** The version of the specification that a case came with; `dev` is what is merged and not released. */
export type Version = '1.0' | '1.1' | 'dev'

/**
 * Whose cases they are: the specification's own, what breaks real clients, what attackers try, and extensions of the API. Only the first
 * count as the specification's.
 */
export type Group = 'specification' | 'clients' | 'hostile' | 'extensions'

/** One thing that a registry is asked. */
export interface Case {
  /** Lower-case words and dashes; never changed once released. */
  id: string
  /** Reads like a sentence about the registry. */
  title: string
  group: Group
  level: Level
  version: Version
  /** The heading of the specification that it comes from, or where the trouble was seen. */
  section: string
  /** The specification's own sentence, or what goes wrong for clients where it isn't so. */
  sentence: string
  /** Ids of cases that must have passed before, or this one would fail for their reason. */
  needs?: readonly string[]
  /** What the case is about, where a registry may not have it: then it is not supported, not failed. */
  feature?: Feature
  /** Whether it changes nothing in the registry. */
  readOnly?: true
  /** Asks the registry. Throws Failure, NotSupported, or nothing. */
  run(probe: Probe): Promise<void>
}

/** What a registry may leave out and still conform, or does not declare to have. */
export type Feature =
  | 'push'
  | 'delete blobs'
  | 'delete manifests'
  | 'delete tags'
  | 'cancel uploads'
  | 'single POST'
  | 'chunked push'
  | 'mount'
  | 'anonymous mount'
  | 'referrers'
  | 'referrers filter'
  | 'tag parameters'
  | 'sha512'
  | 'ranges'
  | 'extensions'
  | 'manifest list'
  | 'repository list'
  | 'tag history'
  | 'tag rollback'
  | 'manifest undelete'
  | 'manifest purge'
  | 'change feed'
  | 'content by digest'
  | 'content locations'
  | 'repository deletion'
