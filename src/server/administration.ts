import type { Logger } from 'pino'
import { z } from 'zod'
import type { Config } from '../config.ts'
import {
  AdminError,
  type AdminRequest,
  type AdminRoutes,
  type AdminSocket,
  openAdminSocket,
} from '../http/admin-socket.ts'
import type { JobRunner } from '../jobs/runner.ts'
import { type JobState, RUNS_KEPT } from '../jobs/slot.ts'
import { MIN_UNUSED_MS, type Sweeper } from '../registry/sweeper.ts'
import { adminSocketIn, MAX_SOCKET_PATH } from '../settings/location.ts'
import type { Stores } from '../stores/stores.ts'

const TOO_LONG = `the path of the admin socket is longer than ${MAX_SOCKET_PATH} bytes, so there is no admin socket, and \`stowage collect --now\`, \`stowage jobs\` and \`stowage backup\` cannot reach this server; choose a shorter path with --admin-socket`

/** What the commands reach. */
export interface Administered {
  stores: Pick<Stores, 'identity' | 'metadata'>
  runner: JobRunner
  sweeper: Sweeper
  log: Logger
}

/**
 * Opens the socket by which commands on this machine reach the server: in the data folder, unless `--admin-socket` names another place.
 *
 * @returns undefined if the path is too long for a socket, which is logged
 */
export async function openAdministration(
  { data, adminSocket = adminSocketIn(data) }: Pick<Config, 'data' | 'adminSocket'>,
  administered: Administered,
): Promise<AdminSocket | undefined> {
  const { log } = administered
  const path = adminSocket
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    log.warn({ path }, TOO_LONG)
    return undefined
  }
  return await openAdminSocket(path, routesOf(administered), (error) =>
    log.error({ error }, 'a command on the admin socket failed'),
  )
}

function routesOf(administered: Administered): AdminRoutes {
  const { stores, runner, sweeper, log } = administered
  return {
    'POST /collect': async (request) => {
      const swept = await runner.run(sweeper.collection(collectRequest(request)))
      log.info(swept, 'collected on request')
      return swept
    },
    'POST /pin': (request) => holdPin(administered, request),
    'GET /jobs': () => Promise.all(runner.states().map((state) => withRecordedRun(state, stores.metadata))),
    'POST /jobs/runs': async (request) => {
      const job = jobOf(request, runner.states())
      return await stores.metadata.jobs.runs(job, RUNS_KEPT)
    },
  }
}

const collectSchema = z.strictObject({
  tombstones: z.boolean(),
  unused: z.number().int().min(MIN_UNUSED_MS).optional(),
})

function collectRequest({ body }: AdminRequest): { tombstones: boolean; unused?: number } {
  const { success, data } = collectSchema.safeParse(body)
  if (!success) throw new AdminError('the request is malformed: --unused must be 1h or more')
  return { tombstones: data.tombstones, ...(data.unused !== undefined && { unused: data.unused }) }
}

/** The last run of a job may have been in another thread or process, or before the start of this one. */
async function withRecordedRun(state: JobState, { jobs }: Stores['metadata']): Promise<JobState> {
  const [recorded] = await jobs.runs(state.name, 1)
  const { last = recorded } = state
  if (last === undefined) return state
  return { ...state, last: recorded !== undefined && recorded.started > last.started ? recorded : last }
}

const jobSchema = z.strictObject({ job: z.string() })

function jobOf({ body }: AdminRequest, states: readonly JobState[]): string {
  const { success, data } = jobSchema.safeParse(body)
  if (!success) throw new AdminError('the request is malformed: job must be the name of a job')
  const names = states.map(({ name }) => name)
  if (names.includes(data.job)) return data.job
  throw new AdminError(`there is no job ${JSON.stringify(data.job)}; the jobs are ${names.join(', ')}`)
}

const pinSchema = z.strictObject({ since: z.number().int().min(0).optional() })

/**
 * Bytes are pinned while the caller is connected, so a caller that dies leaves no pin. The answer identifies the stores, so that the
 * caller knows that it is talking to the right server. A caller whose pin began under an earlier server says since when.
 */
async function* holdPin(
  { stores, sweeper, log }: Administered,
  { body, signal }: AdminRequest,
): AsyncGenerator<unknown> {
  const request = pinSchema.safeParse(body ?? {})
  if (!request.success) throw new AdminError('the request is malformed: since must be a time in milliseconds')
  const release = sweeper.pin(request.data.since)
  log.info('a backup has started; files of deleted blobs are kept until it ends')
  try {
    yield { pinned: true, folder: await stores.identity() }
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  } finally {
    release()
    log.info('the backup has ended')
  }
}
