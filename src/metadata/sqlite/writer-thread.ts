import { existsSync } from 'node:fs'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { Command } from '../command.ts'
import { BatchCounts } from './batch-counts.ts'
import { openWithReserve } from './opening.ts'
import { StoreClock } from './store-clock.ts'
import { Versions } from './versions.ts'
import { type CommitResult, sqliteWriter } from './writer.ts'

/** What the thread is started with. */
export interface WriterThreadData {
  path: string
  versions: SharedArrayBuffer
  /** The memory of {@link StoreClock}. */
  clock: SharedArrayBuffer
  /** The memory of {@link BatchCounts}. */
  batches: SharedArrayBuffer
}

/** A message to the thread: a port that will deliver commits, or the request to end. */
export type WriterOrder = { port: MessagePort } | 'close'

/** A message through a port: calls of `commit`, each with a number for the answer. */
export interface WriterRequest {
  commits: { id: number; commands: readonly Command[] }[]
}

/** The answer of the writer once all commits are durable. */
export interface WriterAnswer {
  results: { id: number; result: CommitResult }[]
}

type Commit = WriterRequest['commits'][number] & { port: MessagePort }

const MAX_COMMITS_OF_A_BATCH = 1000
/** Manifests that together name more than this wait for the next batch, so that one transaction stays short. */
const MAX_EDGES_OF_A_BATCH = 10_000

const { path, versions: memory, clock, batches } = workerData as WriterThreadData
// A database that disappeared must not be replaced by an empty one.
if (!existsSync(path)) throw new Error(`${path} is gone`)
const versions = new Versions(memory)
const batchCounts = new BatchCounts(batches)
const { database, reserve } = openWithReserve(path)
const RESERVE_PAUSE_MS = 60_000
reserve.make()
// Only the ports keep the thread alive.
setInterval(() => reserve.make(), RESERVE_PAUSE_MS).unref()
const writer = sqliteWriter(database, { path, versions, reserve, clock: new StoreClock(clock) })
const ports = new Set<MessagePort>()
versions.takeOver()

parentPort?.on('message', (order: WriterOrder) => {
  if (order === 'close') close()
  else listen(order.port)
})

function listen(port: MessagePort): void {
  ports.add(port)
  port.on('message', (request: WriterRequest) => apply(gather(commitsOf(request, port))))
  port.on('close', () => ports.delete(port))
}

function commitsOf({ commits }: WriterRequest, port: MessagePort): Commit[] {
  return commits.map((commit) => ({ ...commit, port }))
}

/** While a batch is being synced, later requests gather at the ports. This is the whole mechanism of group commit. */
function gather(commits: Commit[]): Commit[] {
  let edges = edgesOf(commits)
  for (const port of ports) {
    while (commits.length < MAX_COMMITS_OF_A_BATCH && edges < MAX_EDGES_OF_A_BATCH) {
      const next = receiveMessageOnPort(port) as { message: WriterRequest } | undefined
      if (next === undefined) break
      const more = commitsOf(next.message, port)
      edges += edgesOf(more)
      commits.push(...more)
    }
  }
  return commits
}

function edgesOf(commits: readonly Commit[]): number {
  const commands = commits.flatMap((commit) => commit.commands)
  return commands.reduce(
    // A malformed commit is refused later by itself, and must not stop the writer here.
    (sum, command) => sum + (command.type === 'putManifest' ? (command.edges?.length ?? 0) : 0),
    0,
  )
}

function apply(commits: readonly Commit[]): void {
  const results = writer.apply(commits.map((commit) => commit.commands))
  const answers = new Map<MessagePort, WriterAnswer['results']>()
  for (const [index, { port, id }] of commits.entries()) {
    const answer = { id, result: results[index] as CommitResult }
    const known = answers.get(port)
    if (known === undefined) answers.set(port, [answer])
    else known.push(answer)
  }
  batchCounts.add(commits.length)
  for (const [port, answer] of answers) port.postMessage({ results: answer } satisfies WriterAnswer)
  writer.rest()
}

function close(): void {
  for (let rest = gather([]); rest.length > 0; rest = gather([])) apply(rest)
  writer.close()
  for (const port of ports) port.close()
  parentPort?.close()
}
