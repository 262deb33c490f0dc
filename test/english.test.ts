import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from 'commander'
import { HEADERS, REQUEST_HEADERS } from '../src/api/header.ts'
import { PATH_PARAMETERS } from '../src/api/path.ts'
import { PROBES } from '../src/api/probes.ts'
import { SCHEMAS } from '../src/api/schema.ts'
import { backupCommand } from '../src/cli/backup.ts'
import { checkCommand } from '../src/cli/check.ts'
import { collectCommand } from '../src/cli/collect.ts'
import { configCommand } from '../src/cli/config.ts'
import { conformanceCommand } from '../src/cli/conformance.ts'
import { serveCommand } from '../src/cli/serve.ts'
import { CASES } from '../src/conformance/catalog.ts'
import { ENDPOINTS } from '../src/endpoints/endpoints.ts'
import { ociExtension } from '../src/extensions/oci.ts'
import { stowageExtension } from '../src/extensions/stowage/stowage.ts'
import { ERRORS } from '../src/oci/error.ts'

/** Phrases that are not idiomatic English, and what to write instead. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/(?<!\bthere )\b(?:is|are) no (?!longer\b)/i, 'is not a'],
  [/\bbehind (?!a (?:reverse )?proxy\b)/, 'after'],
  [/\bwho(?:m)?ever\b/i, 'a client that, anyone who'],
  [/^who\b/i, 'a client that'],
  [/\b(?:by|for|to|of) who\b/, 'a client that'],
  [/\bbeside\b/, 'besides, in addition to'],
  [/\b(?:of|from|with) what comes\b|^what comes\b/i, 'the next …'],
  [/\bheld against\b/, 'compared with'],
  [/\bany more\b/, 'no longer, any longer'],
  [/\bgoes? on\b/, 'continues'],
  [/\bcan ?not be gone on\b/, 'cannot be continued'],
  [/\bcan not\b/, 'cannot'],
]

/** The phrases in a text, each with what to write instead. */
function phrasesIn(text: string): string[] {
  return PHRASES.flatMap(([phrase, better]) => {
    const found = phrase.exec(text)
    return found === null ? [] : [`"${found[0].trim()}" (write: ${better}) in: ${text}`]
  })
}

/** All values of the given fields, at any depth. */
function textsIn(value: unknown, fields: readonly string[]): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, each]) =>
    typeof each === 'string' ? (fields.includes(key) ? [each] : []) : textsIn(each, fields),
  )
}

function helpOf(command: Command): string[] {
  return [command.description(), ...command.options.map(({ description }) => description)]
}

function assertPlain(texts: readonly string[], atLeast: number): void {
  assert.ok(texts.length >= atLeast, `only ${texts.length} texts were found`)
  assert.deepEqual(texts.flatMap(phrasesIn), [])
}

test('the phrases are found where they stand, and not in what only looks like them', () => {
  assert.equal(phrasesIn('"n" is no whole number from 1 on').length, 1)
  assert.equal(phrasesIn('the stream goes on behind the last event').length, 2)
  assert.equal(phrasesIn('Whoever waits is answered').length, 1)
  assert.deepEqual(phrasesIn('history is no longer kept, for a registry behind a proxy'), [])
})

test('error messages are plain English', () => {
  assertPlain(textsIn(ERRORS, ['message']), 40)
})

test('the API is described in plain English', () => {
  const parts = [ENDPOINTS, PROBES, PATH_PARAMETERS, HEADERS, REQUEST_HEADERS, SCHEMAS]
  const extensions = [ociExtension, stowageExtension].flatMap(({ description, endpoints, schemas }) => [
    { description },
    endpoints,
    schemas,
  ])
  assertPlain(textsIn([...parts, ...extensions], ['summary', 'description']), 200)
})

test('the help of each command is in plain English', () => {
  const config = configCommand()
  const own = [serveCommand(), backupCommand(), checkCommand(), collectCommand(), conformanceCommand()]
  const commands = [...own, config, ...config.commands]
  assertPlain(commands.flatMap(helpOf), 50)
})

test('the cases of the conformance tests have titles in plain English', () => {
  assertPlain(
    CASES.map(({ title }) => title),
    200,
  )
})

test('the explanations of the cases of clients and attackers are plain English', () => {
  const ours = CASES.filter(({ group }) => group === 'clients' || group === 'hostile')
  assertPlain(
    ours.map(({ sentence }) => sentence),
    60,
  )
})
