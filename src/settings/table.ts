import { byRepository } from './by-repository.ts'
import { CONNECTION_COUNT, SIZE, WORKER_COUNT } from './capacity.ts'
import { HOST_NAMES, PUBLIC_URL, TRUSTED_PROXIES } from './client-facing.ts'
import { type Form, oneOf, PEM_FILE, SWITCH } from './form.ts'
import { FILE_MODE, FOLDER, LISTEN_ADDRESS, SOCKET_PATH } from './location.ts'
import { DELAY, EXPIRY, TIME_KEPT, TIMEOUT } from './time.ts'

/** The parts of the page on settings. */
export const GROUPS = [
  'Reaching it',
  'What is kept, and for how long',
  'Load',
  'Stopping',
  'Operating it',
] as const

/** One setting of a server. Its flag, its variable and its key follow from its name in {@link SETTINGS}. */
export interface Setting {
  readonly group: (typeof GROUPS)[number]
  /** The placeholder of the value in the help, such as `<time>`; a switch has none. */
  readonly placeholder?: `<${string}>`
  readonly form: Form<unknown>
  /** The default value. */
  readonly default?: string | boolean
  /** The text of the page in place of a default; Markdown. */
  readonly withoutDefault?: string
  /** Whether a running server uses a changed value without a restart. */
  readonly whileRunning?: true
  /** For the help of the command. */
  readonly help: string
  /** What it is for and when to change it, for the page; Markdown. */
  readonly advice: string
}

/** All settings of a server, in the order of the help. */
export const SETTINGS = {
  listen: {
    group: 'Reaching it',
    placeholder: '<address>',
    form: LISTEN_ADDRESS,
    default: '127.0.0.1:5000',
    help: 'address to listen on: <host>:<port> or unix:<path>',
    advice:
      'Where it listens. `:5000` is all addresses, which needs `--allow-anonymous`. `[::1]:5000` is IPv6. A Unix socket is for a proxy on the same machine',
  },
  socketMode: {
    group: 'Reaching it',
    placeholder: '<mode>',
    form: FILE_MODE,
    default: '0660',
    help: 'file mode of the Unix socket, which controls who can connect',
    advice: 'Who may connect to the Unix socket. Change it if the proxy runs as a user of another group',
  },
  data: {
    group: 'What is kept, and for how long',
    placeholder: '<folder>',
    form: FOLDER,
    default: './data',
    help: 'folder for all data; created if it does not exist',
    advice:
      'Everything that the registry knows. Put it on a disk of this machine, or a network block device, not on NFS or SMB',
  },
  logLevel: {
    group: 'Operating it',
    placeholder: '<level>',
    form: oneOf(['debug', 'info', 'warn', 'error', 'silent']),
    default: 'info',
    whileRunning: true,
    help: 'minimum level of log lines to write',
    advice: 'The least that is [logged](logs.md). With `warn`, no requests are logged either',
  },
  accessLog: {
    group: 'Operating it',
    placeholder: '<mode>',
    form: oneOf(['on', 'off']),
    default: 'on',
    whileRunning: true,
    help: 'whether to log each request, at the level info: on or off',
    advice:
      'Whether each request is [logged](logs.md#the-access-log). Turn it `off` if a proxy in front of the server already does that',
  },
  allowAnonymous: {
    group: 'Reaching it',
    form: SWITCH,
    default: false,
    help: 'allow anyone to push and delete, also on addresses other than loopback',
    advice:
      'There are no accounts yet, so on any address except loopback everyone who can reach the port can push and delete. Use it only where something else, such as a [proxy](proxies.md) or a firewall, decides who can',
  },
  tlsCert: {
    group: 'Reaching it',
    placeholder: '<file>',
    form: PEM_FILE,
    withoutDefault: 'none',
    help: 'TLS certificate chain in PEM format; reloaded when it changes',
    advice:
      'The certificate with its chain, to serve HTTPS without a proxy. A file that is replaced is used within seconds',
  },
  tlsKey: {
    group: 'Reaching it',
    placeholder: '<file>',
    form: PEM_FILE,
    withoutDefault: 'none',
    help: 'private key of the certificate in PEM format; reloaded when it changes',
    advice: 'The key of the certificate; give both or neither',
  },
  publicUrl: {
    group: 'Reaching it',
    placeholder: '<url>',
    form: PUBLIC_URL,
    withoutDefault: 'none',
    help: 'URL by which clients reach the registry through a proxy, including its path if it has one',
    advice:
      'The URL that clients use if they reach the registry through a proxy: URLs in responses begin with it, and requests for its host are accepted',
  },
  trustedProxies: {
    group: 'Reaching it',
    placeholder: '<ranges>',
    form: TRUSTED_PROXIES,
    default: 'none',
    help: 'proxies whose Forwarded and X-Forwarded-* headers are trusted: addresses, CIDR ranges, unix',
    advice:
      'Proxies that are trusted to say which client they forward for. Name your proxy, and nothing wider: a trusted client can make up addresses',
  },
  allowedHosts: {
    group: 'Reaching it',
    placeholder: '<names>',
    form: HOST_NAMES,
    default: 'none',
    whileRunning: true,
    help: 'host names to accept in addition to IP addresses, localhost and the public URL',
    advice: 'Other names that clients use. Add one if clients get 421',
  },
  uploadExpiry: {
    group: 'What is kept, and for how long',
    placeholder: '<time>',
    form: EXPIRY,
    default: '24h',
    whileRunning: true,
    help: 'cancel uploads after being idle for this long, or never',
    advice:
      'How long an upload may be idle before it is deleted. Less on a small disk; more for clients that resume after days. Not `0`',
  },
  unusedBlobExpiry: {
    group: 'What is kept, and for how long',
    placeholder: '<time>',
    form: EXPIRY,
    default: '24h',
    whileRunning: true,
    help: 'delete blobs after being unreferenced by manifests for this long, or never',
    advice:
      'How long a blob is kept that no manifest references. It must be longer than your longest push. Not `0`',
  },
  workers: {
    group: 'Load',
    placeholder: '<count>',
    form: WORKER_COUNT,
    default: 'auto',
    help: 'number of threads that serve requests; auto: one per core',
    advice:
      'Threads that answer requests. `auto` is one for each processor, within the limits of the control group; see [sizing](sizing.md). Set fewer to leave processors to others',
  },
  zeroCopy: {
    group: 'Load',
    placeholder: '<mode>',
    form: oneOf(['auto', 'off']),
    default: 'auto',
    help: 'let the kernel send files directly, if the system supports it',
    advice:
      'Whether the kernel sends files by itself, which is faster. Use `off` only to find out whether it is involved in a problem',
  },
  keepDeleted: {
    group: 'What is kept, and for how long',
    placeholder: '<time>',
    form: TIME_KEPT,
    default: '7d',
    whileRunning: true,
    help: 'how long deleted manifests can be restored; 0: not at all; never: without a limit',
    advice:
      'How long a deleted manifest can be restored. Its layers take space until then. `0` means that it cannot be restored',
  },
  keepHistory: {
    group: 'What is kept, and for how long',
    placeholder: '<time>',
    form: TIME_KEPT,
    default: '365d',
    whileRunning: true,
    help: 'how long to keep the history of tags and changes; never: without a limit',
    advice:
      'How long the history of tags is kept. Less makes the database smaller; mirrors that were away for longer start again from the beginning',
  },
  sparseIndexes: {
    group: 'What is kept, and for how long',
    placeholder: '<mode>',
    form: byRepository(oneOf(['refuse', 'allow']), 'refuse'),
    default: 'refuse',
    whileRunning: true,
    help: 'whether to accept indexes with missing manifests; by repository: mirror/**=allow,refuse',
    advice:
      'Whether an index can be pushed while some of its manifests are missing, as tools do that copy single platforms. With `allow`, a pull can find that a manifest is missing',
  },
  maxConnections: {
    group: 'Load',
    placeholder: '<count>',
    form: CONNECTION_COUNT,
    default: 'auto',
    whileRunning: true,
    help: 'maximum number of connections; more get a 503; auto: as many as ulimit -n allows',
    advice:
      'More connections than this get 503. `auto` is half of what `ulimit -n` leaves. Raise `ulimit -n` rather than this',
  },
  lowSpace: {
    group: 'What is kept, and for how long',
    placeholder: '<bytes>',
    form: SIZE,
    withoutDefault: 'off',
    whileRunning: true,
    help: 'remove deleted manifests and unused blobs early while free disk space is below this; off by default',
    advice:
      'While less space than this is free, deleted manifests and unused blobs are removed early. Set it where a full disk is worse than a deletion that cannot be undone; see [disk full](disk-full.md)',
  },
  metricsListen: {
    group: 'Operating it',
    placeholder: '<address>',
    form: LISTEN_ADDRESS,
    withoutDefault: 'none',
    help: 'address on which to serve /metrics for Prometheus: <host>:<port> or unix:<path>',
    advice:
      'Where [metrics](metrics.md) are served, and nothing else. They name no repositories, but anyone who can reach the address can read them',
  },
  metrics: {
    group: 'Operating it',
    placeholder: '<mode>',
    form: oneOf(['off', 'on']),
    default: 'off',
    help: 'whether to serve /metrics on the address of --listen as well',
    advice:
      'Whether [metrics](metrics.md) are also served where the registry listens, to anyone who can reach it. Prefer `--metrics-listen`',
  },
  adminSocket: {
    group: 'Operating it',
    placeholder: '<file>',
    form: SOCKET_PATH,
    withoutDefault: '`admin.sock` in the data folder',
    help: 'Unix socket that other commands use to reach the server; default: <data>/admin.sock',
    advice:
      'Where `stowage collect`, `stowage jobs` and `stowage backup` reach the server. Set it if the path of the data folder has more than 96 bytes; give the same path to those commands',
  },
  shutdownDelay: {
    group: 'Stopping',
    placeholder: '<time>',
    form: DELAY,
    default: '0',
    whileRunning: true,
    help: 'on shutdown, how long the readiness probe fails before connections are refused, so that load balancers notice',
    advice:
      'How long `/readyz` fails before connections are refused. Set `5s` behind a load balancer that probes',
  },
  drainTimeout: {
    group: 'Stopping',
    placeholder: '<time>',
    form: TIMEOUT,
    default: '25s',
    whileRunning: true,
    help: 'on shutdown, how long to wait for running requests; together with the delay, it must be shorter than the grace period: 30 s in Kubernetes, 10 s in docker',
    advice:
      'How long running requests may take before their connections are closed. With the delay and five seconds it must be less than what the system waits: docker 10 s, Kubernetes 30 s, the systemd unit 35 s',
  },
  draftExtensions: {
    group: 'Operating it',
    form: SWITCH,
    default: false,
    help: 'also offer extensions that are drafts of the specification and may change',
    advice: 'Serves drafts of the OCI specification as well. They may change with any version',
  },
} as const satisfies Readonly<Record<string, Setting>>

/** The name of a setting in code and in the log, such as `keepDeleted`. */
export type SettingName = keyof typeof SETTINGS

/** Each name, in the order of the help. */
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[]

/** A row of {@link SETTINGS}, in the type that all rows share. */
export function settingOf(name: SettingName): Setting {
  return SETTINGS[name]
}

/** The key of a setting in a configuration file, such as `keep-deleted`. */
export function keyOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** The flag of a setting, such as `--keep-deleted`. */
export function flagOf(name: string): string {
  return `--${keyOf(name)}`
}

/** The environment variable of a setting, such as `STOWAGE_KEEP_DELETED`. */
export function variableOf(name: string): string {
  return `STOWAGE_${keyOf(name).toUpperCase().replaceAll('-', '_')}`
}
