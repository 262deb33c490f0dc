import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeCertificate } from '../cli/certificate.ts'
import { openSandbox } from '../cli/program.ts'
import { digestOf } from '../content.ts'
import { temporaryFolder } from '../stowage.ts'
import { startDaemon } from './daemon.ts'
import { freePort } from './free-port.ts'

const PAGE = readFileSync(new URL('../../docs/operations/proxies.md', import.meta.url), 'utf8')
const BLOCKS = [...PAGE.matchAll(/^```(nginx|caddy)\n([\s\S]*?)^```$/gm)].map(([, kind, text]) => ({
  kind,
  text,
}))

/** Where the page has the Unix socket. */
const SOCKET = '/run/stowage/stowage.sock'

/** Larger than what a proxy keeps in memory, and than nginx's limit of a megabyte. */
const LAYER = randomBytes(20 * 1024 * 1024)

interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
}

/** Speaks to the proxy by the name that its configuration has. */
function client(port: number, hostname: string, ca: string) {
  const agent = new Agent({ ca, servername: 'localhost', keepAlive: true })
  return {
    agent,
    ask(method: string, path: string, body: Uint8Array = new Uint8Array()): Promise<Answer> {
      const headers = { Host: `${hostname}:${port}`, 'Content-Length': body.length }
      return new Promise((resolve, reject) => {
        const sent = request({ agent, host: '127.0.0.1', port, method, path, headers }, (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject)
          response.on('end', () => {
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks),
            })
          })
        })
        sent.on('error', reject).end(body)
      })
    },
  }
}

/** The path of the address that an answer leads to, which must be below that of the request. */
function pathOf(location: unknown): string {
  return new URL(String(location), 'https://proxy').pathname
}

/** Starts Stowage, and a proxy before it with a configuration of the page. @returns the proxy's port and certificate */
async function startBehind(
  t: TestContext,
  { kind, text = '' }: { kind: string | undefined; text: string | undefined },
  publicPath: string,
): Promise<{ port: number; ca: string; hostname: string }> {
  const folder = await temporaryFolder(t)
  const { certFile, keyFile, cert } = await makeCertificate(folder, 'registry')
  const port = await freePort()
  const hostname = /(?:server_name )?((?:registry|www)\.example\.com)/.exec(text)?.[1] ?? ''
  const sandbox = await openSandbox(t)
  const publicUrl = `https://${hostname}:${port}${publicPath}`
  const isOverSocket = text.includes(SOCKET)
  const socket = join(sandbox.folder, 'stowage.sock')
  const place = isOverSocket
    ? ['--listen', `unix:${socket}`, '--trusted-proxies', 'unix']
    : ['--trusted-proxies', '127.0.0.1']
  const server = await sandbox.serve('data', ['--public-url', publicUrl, ...place])
  const settled = text
    .replaceAll(/\/etc\/\w+\/registry\.pem/g, certFile)
    .replaceAll(/\/etc\/\w+\/registry\.key/g, keyFile)
    .replaceAll('127.0.0.1:5000', isOverSocket ? '' : new URL(server.url).host)
    .replaceAll(SOCKET, socket)
  const daemon =
    kind === 'nginx' ? await startNginx(folder, settled, port) : await startCaddy(folder, settled, port)
  t.after(() => daemon.stop())
  return { port, ca: cert, hostname }
}

async function startNginx(folder: string, server: string, port: number) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const http = [
    'access_log off;',
    ...temporary.map((name) => `${name}_temp_path ${join(folder, name)};`),
    server.replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`),
  ]
  const file = join(folder, 'nginx.conf')
  const main = `daemon off;\npid ${join(folder, 'pid')};\nerror_log stderr notice;\nuser root;\nevents {}\nhttp {\n${http.join('\n')}\n}\n`
  await writeFile(file, main)
  return await startDaemon('nginx', ['-c', file, '-e', 'stderr'], {
    ready: /start worker process /,
    signal: 'SIGQUIT',
  })
}

async function startCaddy(folder: string, site: string, port: number) {
  const home = join(folder, 'home')
  await mkdir(home)
  const file = join(folder, 'Caddyfile')
  const global = '{\n  admin off\n  auto_https disable_redirects\n}\n'
  await writeFile(
    file,
    global +
      site.replace(
        'registry.example.com {',
        `https://registry.example.com:${port}, https://localhost:${port} {`,
      ),
  )
  const env = { PATH: process.env.PATH ?? '', HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home }
  return await startDaemon('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], {
    ready: /serving initial configuration/,
    signal: 'SIGTERM',
    env,
  })
}

for (const [index, block] of BLOCKS.entries()) {
  const publicPath = /location (\/\w+)\/ /.exec(block.text ?? '')?.[1] ?? ''
  test(`a large layer is pushed and pulled through ${block.kind}, as configuration ${index + 1} of the page has it`, async (t) => {
    const { port, ca, hostname } = await startBehind(t, block, publicPath)
    const { agent, ask } = client(port, hostname, ca)
    t.after(() => agent.destroy())
    const base = `${publicPath}/v2/team/app`
    const started = await ask('POST', `${base}/blobs/uploads/`)
    assert.equal(started.status, 202)
    const upload = pathOf(started.headers.location)
    assert.ok(upload.startsWith(`${base}/blobs/uploads/`), upload)
    const patched = await ask('PATCH', upload, LAYER)
    assert.equal(patched.status, 202)
    const closed = await ask('PUT', `${pathOf(patched.headers.location)}?digest=${digestOf(LAYER)}`)
    assert.equal(closed.status, 201)
    const pulled = await ask('GET', pathOf(closed.headers.location))
    assert.equal(pulled.status, 200)
    assert.ok(pulled.body.equals(LAYER))
  })
}

test('the page has configurations for nginx at the root and below a path, for Caddy, and for both over a Unix socket', () => {
  assert.deepEqual(
    BLOCKS.map(({ kind }) => kind),
    ['nginx', 'nginx', 'caddy', 'nginx', 'caddy'],
  )
})
