import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { reasonOf } from '../../src/conformance/summary.ts'
import { makeCertificate, type TestCertificate } from '../cli/certificate.ts'
import { openSandbox, type Sandbox } from '../cli/program.ts'
import { startDaemon } from '../clients/daemon.ts'
import {
  readVerdicts,
  reportOn,
  SPECIFICATIONS,
  type Verdicts,
  verdictsOf,
  writeVerdicts,
} from './verdicts.ts'

const BUILT = fileURLToPath(new URL('../../.cache/peers/bin', import.meta.url))
const START_SECONDS = 20

/** Another registry, of one version: verdicts of another one say nothing of it. */
export interface Peer {
  /** What its verdicts are filed under. */
  name: string
  program: string
  /** Asks the program for its version. */
  versionArgs: readonly string[]
  version: RegExp
  /** Starts it with deletion enabled and all that it writes below a folder of its own, with https if there is a certificate. */
  start(folder: string, certificate?: TestCertificate): Promise<RunningPeer>
}

interface RunningPeer {
  url: string
  stop(): Promise<void>
}

/** Holds a peer to its verdicts, or records them where `STOWAGE_RECORD_VERDICTS` is set. */
export async function testPeer(test: TestContext, peer: Peer): Promise<void> {
  await assertVersion(peer)
  const sandbox = await openSandbox(test)
  const running = await startIn(sandbox, peer)
  const found: Verdicts = { '1.1': {}, dev: {} }
  const reasons = new Map<string, string>()
  try {
    for (const specification of SPECIFICATIONS) {
      const report = await reportOn(sandbox, running.url, specification)
      found[specification] = verdictsOf(report)
      for (const each of report.cases) reasons.set(each.id, reasonOf(each))
    }
  } finally {
    await running.stop()
  }
  if (process.env.STOWAGE_RECORD_VERDICTS) return await writeVerdicts(peer.name, found)
  const recorded = await readVerdicts(peer.name)
  for (const specification of SPECIFICATIONS) {
    const changed = Object.entries(found[specification])
      .filter(([id, verdict]) => recorded[specification][id] !== verdict)
      .map(([id, verdict]) => `${id} ${verdict}: ${reasons.get(id)}`)
    assert.deepEqual(found[specification], recorded[specification], [specification, ...changed].join('\n'))
  }
}

/** Holds a peer that speaks https to the verdicts that it has over http: what carries requests decides nothing. */
export async function testPeerOverTls(test: TestContext, peer: Peer): Promise<void> {
  await assertVersion(peer)
  const sandbox = await openSandbox(test)
  const certificate = await makeCertificate(sandbox.folder, 'peer')
  const running = await startIn(sandbox, peer, certificate)
  try {
    const env = { NODE_EXTRA_CA_CERTS: certificate.certFile }
    const report = await reportOn(sandbox, running.url, 'dev', { env })
    assert.match(report.registry, /^https:/)
    const recorded = await readVerdicts(peer.name)
    assert.deepEqual(verdictsOf(report), recorded.dev)
  } finally {
    await running.stop()
  }
}

/** Starts a peer in a folder of its own. The caller stops it, before the test ends. */
async function startIn({ folder }: Sandbox, peer: Peer, certificate?: TestCertificate): Promise<RunningPeer> {
  const own = join(folder, 'peer')
  await mkdir(own)
  return await peer.start(own, certificate)
}

/** Starts a peer that is stopped when the test ends. @returns its URL */
export async function startPeer(test: TestContext, peer: Peer): Promise<string> {
  const running = await startIn(await openSandbox(test), peer)
  test.after(running.stop)
  return running.url
}

async function assertVersion({ program, versionArgs, version }: Peer): Promise<void> {
  const asked = promisify(execFile)(program, [...versionArgs])
  const { stdout, stderr } = await asked.catch((cause: unknown) => {
    throw new Error(`${program} does not start: run .ci/peers-setup`, { cause })
  })
  assert.match(stdout + stderr, version, 'the verdicts are those of another version')
}

/** Debian's, of the line of Distribution 2. */
export const dockerRegistry: Peer = {
  name: 'docker-registry',
  program: 'docker-registry',
  versionArgs: ['--version'],
  version: / 2\.8\.2\b/,
  start: (folder, certificate) => startDistribution('docker-registry', folder, certificate),
}

export const distribution: Peer = {
  name: 'distribution',
  program: join(BUILT, 'registry'),
  versionArgs: ['--version'],
  version: /distribution/,
  start: (folder, certificate) => startDistribution(join(BUILT, 'registry'), folder, certificate),
}

export const olareg: Peer = {
  name: 'olareg',
  program: join(BUILT, 'olareg'),
  versionArgs: ['version'],
  version: /v0\.2\.2\b/,
  start: startOlareg,
}

async function startDistribution(
  program: string,
  folder: string,
  certificate?: TestCertificate,
): Promise<RunningPeer> {
  const config = join(folder, 'config.yml')
  const settings = {
    version: '0.1',
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    // Without a time to drain it dies of the signal.
    http: {
      ...{ addr: '127.0.0.1:0', draintimeout: '5s', secret: 'of a test' },
      ...(certificate && { tls: { certificate: certificate.certFile, key: certificate.keyFile } }),
    },
  }
  await writeFile(config, JSON.stringify(settings))
  const daemon = await startDaemon(program, ['serve', config], {
    ready: /listening on (127\.0\.0\.1:\d+)/,
    signal: 'SIGTERM',
    env: { ...environment(folder), OTEL_TRACES_EXPORTER: 'none' },
  })
  return { url: `${certificate ? 'https' : 'http'}://${daemon.ready[1]}`, stop: daemon.stop }
}

async function startOlareg(folder: string, certificate?: TestCertificate): Promise<RunningPeer> {
  const port = await findPort()
  const where = ['--addr', '127.0.0.1', '--port', `${port}`, '--dir', join(folder, 'data')]
  const tls = certificate ? ['--tls-cert', certificate.certFile, '--tls-key', certificate.keyFile] : []
  const daemon = await startDaemon(
    join(BUILT, 'olareg'),
    ['serve', '--verbosity', 'info', ...where, ...tls, '--api-delete', '--api-blob-delete'],
    { ready: /launching server/, signal: 'SIGTERM', env: environment(folder) },
  )
  const url = `${certificate ? 'https' : 'http'}://127.0.0.1:${port}`
  await waitForConnection(port)
  return { url, stop: daemon.stop }
}

function environment(folder: string): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: folder, TMPDIR: folder }
}

/** A port that was free a moment ago, for programs that don't tell which one they took. */
async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function waitForConnection(port: number): Promise<void> {
  const signal = AbortSignal.timeout(START_SECONDS * 1000)
  for (;;) {
    const socket = connect({ host: '127.0.0.1', port })
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isOpen) return
    signal.throwIfAborted()
    await sleep(50)
  }
}
