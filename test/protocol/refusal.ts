import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { TestContext } from 'node:test'
import type { TestServer } from '../stowage.ts'
import { head, type RawResponse, sendRaw } from './raw-request.ts'

/** How a request is refused: the status, and the code of the specification in the error body. */
export type Refusal = readonly [status: number, code: string]

const TABLES = ['repositories', 'contents', 'links', 'manifests', 'edges', 'tags', 'changes']

/** Sends a request as it is written, with the length of its body unless its method has none. */
export async function sendRequest(
  test: Pick<TestContext, 'after'>,
  url: string,
  line: string,
  { body = '', headers = [] }: { body?: string | Uint8Array; headers?: readonly string[] } = {},
): Promise<RawResponse> {
  const length = line.startsWith('GET ') ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  return await sendRaw(test, url, head(line, ...length, ...headers), body)
}

/** Fails unless an answer is an error of this status whose body has this code, and none else. */
export function assertRefused(response: RawResponse, [status, code]: Refusal, what: string): void {
  const text = `${what.slice(0, 200)}: ${response.status} ${response.body.toString().slice(0, 300)}`
  assert.equal(response.status, status, text)
  assert.equal(response.headers['content-type'], 'application/json', text)
  assert.deepEqual([...new Set(response.codes())], [code], text)
}

/** Fails if what a server refused left anything behind, or if it doesn't answer the next client. */
export async function assertNothingStored({ url, data }: TestServer): Promise<void> {
  const base = await fetch(`${url}/v2/`)
  assert.equal(base.status, 200)
  assert.deepEqual(await base.json(), {})
  const catalog = await fetch(`${url}/v2/_catalog`)
  assert.deepEqual(await catalog.json(), { repositories: [] })
  const tags = await fetch(`${url}/v2/app/tags/list`)
  assert.equal(tags.status, 404, await tags.text())
  assert.deepEqual(await storedFiles(data), [])
  const filled = TABLES.filter((table) => select(data, `SELECT 1 FROM ${table} LIMIT 1`).length > 0)
  assert.deepEqual(filled, [])
}

/** The names of all files of the blob store, in order. */
export async function storedFiles(data: string): Promise<string[]> {
  const entries = await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => !entry.isDirectory())
  return files.map((entry) => entry.name).sort()
}

/** The keys whose files are about to be deleted, in order. */
export function garbageKeys(data: string): string[] {
  return select(data, 'SELECT key FROM garbage ORDER BY key').map((row) => String(row.key))
}

function select(data: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(join(data, 'metadata.sqlite'), { readOnly: true })
  try {
    return database.prepare(sql).all()
  } finally {
    database.close()
  }
}
