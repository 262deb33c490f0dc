import assert from 'node:assert/strict'
import { cp, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertRefusedToStart } from '../cli/exit.ts'
import { openSandbox, type Sandbox, type ServingProgram } from '../cli/program.ts'
import { assertAllWhole } from '../images.ts'
import { pushOn } from './push-load.ts'

const PATIENCE = { timeout: 300_000 }
const MIB = 1024 * 1024

/** Copies a file in pieces, as a slow tool does. */
async function copySlowly(from: string, to: string, milliseconds: number): Promise<void> {
  const [source, target] = [await open(from, 'r'), await open(to, 'w')]
  const { size } = await source.stat()
  const pieces = Math.max(1, Math.ceil(size / MIB))
  for (let piece = 0; piece < pieces; piece++) {
    const { buffer, bytesRead } = await source.read(Buffer.alloc(MIB), 0, MIB, piece * MIB)
    await target.write(buffer, 0, bytesRead, piece * MIB)
    await sleep(milliseconds / pieces)
  }
  await source.close()
  await target.close()
}

/** Copies a database and its log one after the other. */
async function copyTorn(data: string, copy: string, turn: number): Promise<void> {
  await mkdir(copy)
  const files = ['metadata.sqlite', 'metadata.sqlite-wal']
  if (turn % 2 === 1) files.reverse()
  for (const [index, name] of files.entries()) {
    if (index === 1) await sleep(500 + 250 * (turn % 6))
    await copySlowly(join(data, name), join(copy, name), turn % 3 === 0 ? 0 : 1500)
  }
  await cp(join(data, 'blobs'), join(copy, 'blobs'), { recursive: true })
}

/** Makes copies of the data folder of a server while clients push to it. */
async function copyUnderLoad(sandbox: Sandbox, { url }: ServingProgram): Promise<string[]> {
  const stop = pushOn(url, 60_000)
  const copies = Array.from({ length: 8 }, (_, turn) => join(sandbox.folder, `copy${turn}`))
  await sleep(3_000)
  for (const [turn, copy] of copies.entries()) await copyTorn(join(sandbox.folder, 'data'), copy, turn)
  await stop()
  return copies
}

function assertSound(path: string): void {
  const database = new DatabaseSync(path, { readOnly: true })
  assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
  database.close()
}

/** Starts on a copy. @returns how many images it has, or undefined if it was refused */
async function startOn(sandbox: Sandbox, copy: string): Promise<number | undefined> {
  const program = sandbox.start(['serve', '--listen', '127.0.0.1:0', '--data', copy])
  const greeting = await program.wrote('stdout', /^Stowage listens on (\S+)\n/).catch(() => undefined)
  if (greeting === undefined) {
    assertRefusedToStart(await program.ended, /metadata\.sqlite is damaged .*restore a backup/)
    return undefined
  }
  const count = await assertAllWhole(greeting[1] ?? '')
  program.signal('SIGTERM')
  await program.ended
  assertSound(join(copy, 'metadata.sqlite'))
  return count
}

test(
  'fault 61: a database and its log that were copied at different moments are refused, or are whole all the same',
  PATIENCE,
  async (t) => {
    const sandbox = await openSandbox(t)
    const server = await sandbox.serve('data', ['--workers', '2'], { nodeFlags: [] })
    const found: (number | undefined)[] = []
    // On a busy machine little changes between the two copies, so that another round may be needed until one is torn.
    while (!found.includes(undefined)) {
      for (const copy of await copyUnderLoad(sandbox, server)) {
        found.push(await startOn(sandbox, copy))
        await rm(copy, { recursive: true })
      }
    }
    server.signal('SIGTERM')
    await server.ended
    t.diagnostic(`images: ${found.map((count) => count ?? 'refused').join(', ')}`)
  },
)
