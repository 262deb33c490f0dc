import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import {
  type AdminRequest,
  type AdminRoutes,
  type AdminSocket,
  openAdminSocket,
} from '../http/admin-socket.ts'
import type { JobState } from '../jobs/slot.ts'
import type { Pins } from '../registry/pins.ts'
import { adminSocketIn, MAX_SOCKET_PATH } from '../settings/location.ts'
import type { Stores } from '../stores/stores.ts'
import type { Housekeeping } from './housekeeping.ts'

const TOO_LONG = `the path of the admin socket is longer than ${MAX_SOCKET_PATH} bytes, so there is no admin socket, and \`stowage collect --now\`, \`stowage jobs\` and \`stowage backup\` cannot reach this server; choose a shorter path with --admin-socket`

/** What commands can ask for. */
export interface Administered {
  stores: Pick<Stores, 'identity'>
  housekeeping: Pick<Housekeeping, 'collect' | 'states' | 'runs'>
  pins: Pins
  /** The jobs of this process that are not part of housekeeping. */
  otherJobs(): JobState[]
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
  const { housekeeping, otherJobs, log } = administered
  return {
    'POST /collect': async (request) => {
      const { readCollectRequest } = await requests()
      const swept = await housekeeping.collect(readCollectRequest(request))
      log.info(swept, 'collected on request')
      return swept
    },
    'POST /pin': (request) => holdPin(administered, request),
    'GET /jobs': () => housekeeping.states(otherJobs()),
    'POST /jobs/runs': async (request) => {
      const { readJobRequest } = await requests()
      const names = (await housekeeping.states(otherJobs())).map(({ name }) => name)
      return await housekeeping.runs(readJobRequest(request, names))
    },
  }
}

/** Loaded for the first command: the schemas are a quarter of the modules that a start would load. */
const requests = () => import('./administration-requests.ts')

/**
 * Bytes are pinned while the caller is connected, so a caller that dies leaves no pin. The answer identifies the stores, so that the
 * caller knows that it is talking to the right server. A caller whose pin began under an earlier server says since when.
 */
async function* holdPin({ stores, pins, log }: Administered, request: AdminRequest): AsyncGenerator<unknown> {
  const { signal } = request
  const { readPinRequest } = await requests()
  const release = pins.add(readPinRequest(request).since)
  log.info('a backup has started; files of deleted blobs are kept until it ends')
  try {
    yield { pinned: true, folder: await stores.identity() }
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  } finally {
    release()
    log.info('the backup has ended')
  }
}
