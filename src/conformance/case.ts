import type { Probe } from './probe.ts'

/** How binding a case is, in the words of RFC 2119. */
export type Level = 'MUST' | 'SHOULD' | 'MAY'

/** The version of the specification that introduced a case; `dev` means merged but not released. */
export type Version = '1.0' | '1.1' | 'dev'

/**
 * The group of a case: cases of the specification, problems of real clients, attacks, and extensions of the API. Only the first group
 * counts as the specification's.
 */
export type Group = 'specification' | 'clients' | 'hostile' | 'extensions'

/** One test of a registry. */
export interface Case {
  /** Lower-case words and dashes; never changed once released. */
  id: string
  /** Reads like a sentence about the registry. */
  title: string
  group: Group
  level: Level
  version: Version
  /** The heading in the specification that it comes from, or where the problem was observed. */
  section: string
  /** The sentence of the specification, or what goes wrong for clients if a registry behaves differently. */
  sentence: string
  /** Ids of cases that must have passed before; otherwise this one would fail for the same reason. */
  needs?: readonly string[]
  /** The optional feature that the case tests. If a registry does not have it, the case is not supported, rather than failed. */
  feature?: Feature
  /** Whether it changes nothing in the registry. */
  readOnly?: true
  /** Runs the test. May throw Failure or NotSupported. */
  run(probe: Probe): Promise<void>
}

/** Features that a registry may omit and still conform, or that it does not declare. */
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
