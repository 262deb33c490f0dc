import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { Command } from '../command.ts'
import { type CommitResult, openForWriting, sqliteWriter } from './writer.ts'

/** What the other side sends: calls of `commit`, each with a number to answer to. */
export interface WriterRequest {
  commits: { id: number; commands: readonly Command[] }[]
}

/** What the writer sends back once all of it is durable. */
export interface WriterAnswer {
  results: { id: number; result: CommitResult }[]
}

const MAX_COMMITS_OF_A_BATCH = 1000

const { port, path } = workerData as { port: MessagePort; path: string }
const writer = sqliteWriter(path, openForWriting(path))

// While a batch is being synced, the requests behind it gather at the port: that is the whole of group commit.
port.on('message', (first: WriterRequest | 'close') => {
  if (first === 'close') return close()
  const commits = [...first.commits]
  let closing = false
  while (commits.length < MAX_COMMITS_OF_A_BATCH && !closing) {
    const next = receiveMessageOnPort(port) as { message: WriterRequest | 'close' } | undefined
    if (next === undefined) break
    if (next.message === 'close') closing = true
    else commits.push(...next.message.commits)
  }
  const results = writer.apply(commits.map((commit) => commit.commands))
  const answer = commits.map(({ id }, index) => ({ id, result: results[index] as CommitResult }))
  port.postMessage({ results: answer } satisfies WriterAnswer)
  if (closing) close()
})

function close(): void {
  writer.close()
  port.close()
}
