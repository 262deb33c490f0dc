import { prepareLoad, type ReadyLoad } from '../generator.ts'
import { Connection } from '../load/connection.ts'
import { MANIFEST_TYPE } from '../load/image.ts'
import type { RunningSystem } from '../system.ts'
import type { Case, Scale } from '../workload.ts'
import { runWrk } from '../wrk.ts'

/** A small request that changes nothing. */
export interface SmallRequest {
  name: string
  label: string
  method: 'GET' | 'HEAD'
  path: string
  status: number
  /** Whether a registry may do without. */
  optional?: true
}

const MAIN_CONNECTIONS = 16
const WARM_UP_SHARE = 0.25
const HEADERS = [`Accept: ${MANIFEST_TYPE}`]

/** What is sent, and what should be answered. */
export interface Asked extends Pick<SmallRequest, 'method' | 'path' | 'status' | 'optional'> {
  /** `Name: value` of each; what images are asked for with, if absent. */
  headers?: readonly string[]
}

/** The case that sends one request again and again. */
export function readCase(request: SmallRequest, connections: number): Case {
  return {
    name: `${request.name}/${connections}`,
    label: `${request.label}, ${connections} ${connections === 1 ? 'connection' : 'connections'}`,
    unit: 'request',
    isMain: connections === MAIN_CONNECTIONS,
    load: async (running, scale) => await readLoad(running, request, { connections, scale }),
  }
}

/** Gets a load of one request ready, after a look at whether it is answered as it should be. */
export async function readLoad(
  running: RunningSystem,
  request: Asked,
  how: { connections: number; scale: Scale },
): Promise<ReadyLoad | { note: string }> {
  const { method, path, optional } = request
  const status = await probe(running, request)
  if (status !== request.status) {
    if (optional) return { note: `is not offered (${status})` }
    throw new Error(`${method} ${path}: ${status} instead of ${request.status}`)
  }
  return method === 'GET'
    ? await wrkLoad(running, request, how)
    : await generatorLoad(running, { ...request, method }, how)
}

async function wrkLoad(
  { address }: RunningSystem,
  { path, status, headers = HEADERS }: Asked,
  { connections, scale: { seconds } }: { connections: number; scale: Scale },
): Promise<ReadyLoad> {
  const run = { address, path, headers, connections, refused: status >= 400 }
  await runWrk({ ...run, seconds: Math.max(0.1, seconds * WARM_UP_SHARE) })
  return { run: async () => await runWrk({ ...run, seconds }) }
}

/** For HEAD, which wrk can't: it waits for the body that is announced. */
async function generatorLoad(
  { address }: RunningSystem,
  { method, path, status, headers = HEADERS }: Asked & { method: 'HEAD' },
  { connections: clients, scale: { seconds } }: { connections: number; scale: Scale },
): Promise<ReadyLoad> {
  const plan = { kind: 'requests', address, method, path, headers: linesOf(headers) } as const
  return await prepareLoad({ ...plan, status, clients, seconds })
}

async function probe(
  { address }: RunningSystem,
  { method, path, headers = HEADERS }: Asked,
): Promise<number> {
  const connection = await Connection.open(address)
  try {
    return (await connection.send({ method, path, headers: linesOf(headers) })).status
  } finally {
    connection.close()
  }
}

function linesOf(headers: readonly string[]): string {
  return headers.map((line) => `${line}\r\n`).join('')
}
