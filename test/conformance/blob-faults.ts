import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Case, Feature } from '../../src/conformance/case.ts'
import { blobCases } from '../../src/conformance/cases/specification/blobs.ts'
import { chunkCases } from '../../src/conformance/cases/specification/chunks.ts'
import { mountCases } from '../../src/conformance/cases/specification/mounts.ts'
import { rangeCases } from '../../src/conformance/cases/specification/ranges.ts'
import { uploadCases } from '../../src/conformance/cases/specification/uploads.ts'
import type { Send } from '../../src/conformance/probe.ts'
import { type Result, runCases } from '../../src/conformance/run.ts'
import { openSession } from '../../src/conformance/session.ts'
import { type Fault, NO_ORIGIN, openFaulty, sendTo, startFaulty } from './faulty-registry.ts'

/** All cases of blobs. */
export const BLOB_CASES: readonly Case[] = [
  ...blobCases,
  ...uploadCases,
  ...chunkCases,
  ...mountCases,
  ...rangeCases,
]

const OPTIONS = { repository: 'test', concurrency: 8 }

/** A fault with the case that finds it. */
export interface KnownBad {
  id: string
  /** What the registry does wrong, after "a registry that". */
  does: string
  fault: Fault
  /** Cases that find it as well, since they are about the same. */
  alsoFails?: readonly string[]
}

/** A registry that is right, and has less than ours or says it otherwise. */
export interface KnownGood {
  does: string
  fault: Fault
  /** What it declares that it has not. */
  lacks?: readonly Feature[]
}

/** Asks a registry all there is about blobs, over the network. */
export async function askAboutBlobs(t: TestContext, fault?: Fault): Promise<Result[]> {
  const origin = await startFaulty(t, fault)
  return await runCases(BLOB_CASES, { ...OPTIONS, origin, send: openSession(origin) })
}

/** The same without a network, since there are many faults. */
async function askInside(t: TestContext, fault: Fault): Promise<Result[]> {
  return await askThrough(sendTo(await openFaulty(t, fault)))
}

/** The same by any way. */
export async function askThrough(send: Send): Promise<Result[]> {
  return await runCases(BLOB_CASES, { ...OPTIONS, origin: NO_ORIGIN, send })
}

/** Registers a test for each fault, and one that each case has a fault that it finds. */
export function testKnownBad(cases: readonly Case[], table: readonly KnownBad[]): void {
  for (const { id, does, fault, alsoFails = [] } of table) {
    test(`a registry that ${does} fails ${[id, ...alsoFails].join(' and ')}, and no other case of blobs`, async (t) => {
      const results = await askInside(t, fault)
      assert.deepEqual(failuresOf(results).sort(), [id, ...alsoFails].sort())
    })
  }
  test('each case has a known bad registry', () => {
    const found = new Set(table.map(({ id }) => id))
    assert.deepEqual(
      cases.map(({ id }) => id).filter((id) => !found.has(id)),
      [],
    )
  })
}

/** Ids of what failed or warned. */
export function failuresOf(results: readonly Result[]): string[] {
  return results
    .filter(({ verdict }) => verdict === 'failed' || verdict === 'warned')
    .map((result) => result.case.id)
}

/** Registers a test for each registry that is right. */
export function testKnownGood(table: readonly KnownGood[]): void {
  for (const { does, fault, lacks = [] } of table) {
    test(`a registry that ${does} passes, but for ${lacks.join(', ') || 'nothing'}`, async (t) => {
      const results = await askInside(t, fault)
      assert.deepEqual(failuresOf(results), [])
      assert.deepEqual(featuresMissing(results), [...lacks].sort())
    })
  }
}

/** What is not supported in itself, rather than because of something else. */
function featuresMissing(results: readonly Result[]): (string | undefined)[] {
  const unsupported = results.filter(({ verdict }) => verdict === 'unsupported').map((result) => result.case)
  const ids = new Set(unsupported.map(({ id }) => id))
  const roots = unsupported.filter(({ needs = [] }) => !needs.some((id) => ids.has(id)))
  return [...new Set(roots.map(({ feature }) => feature))].sort()
}
