import { openDatagrams, type SendDatagram } from './datagram.ts'

/** The service manager that started this program, such as systemd, with its protocols: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3). */
export interface ServiceManager {
  /** Descriptors of listening sockets that it passed to this process. */
  readonly sockets: readonly number[]
  /** The time in milliseconds after which it ends the program if the watchdog is silent. Undefined if it has no watchdog. */
  readonly watchdog: number | undefined
  /** Notifies it of a state, such as `READY=1`. Does nothing if it does not listen. */
  notify(...assignments: readonly string[]): void
}

const FIRST_DESCRIPTOR = 3
/** More than any service manager passes. Each takes a place in the table of open files. */
const MAX_SOCKETS = 64
const VARIABLES = [
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
  'LISTEN_PIDFDID',
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
  'WATCHDOG_PID',
]

/**
 * Reads the variables of a service manager, and removes them from the environment, since they are not meant for programs that this one may
 * start.
 *
 * @param log receives a message if the service manager cannot be notified
 */
export async function takeServiceManager(
  environment: NodeJS.ProcessEnv,
  log: { warn(fields: object, message: string): void },
): Promise<ServiceManager> {
  const said = { ...environment }
  for (const name of VARIABLES) delete environment[name]
  const send = await openNotifications(said.NOTIFY_SOCKET, log)
  return {
    sockets: socketsOf(said),
    watchdog: send && watchdogOf(said),
    notify(...assignments) {
      if (send === undefined || send(assignments.join('\n'))) return
      log.warn({ assignments }, 'the service manager could not be told of a change')
    },
  }
}

async function openNotifications(
  address: string | undefined,
  log: { warn(fields: object, message: string): void },
): Promise<SendDatagram | undefined> {
  if (address === undefined) return undefined
  const send = await openDatagrams(address)
  if (send === undefined)
    log.warn({ address }, 'the service manager cannot be told when this server is ready; use Type=exec')
  return send
}

/** Sockets that were passed to another process, such as the parent of this one, are ignored. */
function socketsOf({ LISTEN_FDS = '', LISTEN_PID }: NodeJS.ProcessEnv): number[] {
  const count = /^\d{1,2}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : 0
  if (count > MAX_SOCKETS || LISTEN_PID !== String(process.pid)) return []
  return Array.from({ length: count }, (_, index) => FIRST_DESCRIPTOR + index)
}

function watchdogOf({ WATCHDOG_USEC = '', WATCHDOG_PID }: NodeJS.ProcessEnv): number | undefined {
  const isOurs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid)
  return isOurs && /^[1-9]\d{3,14}$/.test(WATCHDOG_USEC) ? Number(WATCHDOG_USEC) / 1000 : undefined
}
