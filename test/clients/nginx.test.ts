import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { followEveryPath } from '../protocol/published-registry.ts'
import { startStowage, temporaryFolder } from '../stowage.ts'
import { startDaemon } from './daemon.ts'

const TIMEOUT = { timeout: 120_000 }

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  await new Promise((resolve) => server.close(resolve))
  return address.port
}

/** Starts nginx with one location. @returns its own URL */
async function startNginx(t: TestContext, location: string): Promise<string> {
  const folder = await temporaryFolder(t)
  const port = await freePort()
  await mkdir(join(folder, 'temporary'))
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/temporary/${name};`,
  )
  const configuration = `
    daemon off;
    pid ${folder}/pid;
    error_log stderr notice;
    worker_processes 1;
    events {}
    http {
      access_log off;
      ${temporary.join('\n')}
      client_max_body_size 0;
      proxy_request_buffering off;
      server {
        listen 127.0.0.1:${port};
        ${location}
      }
    }`
  await writeFile(join(folder, 'nginx.conf'), configuration)
  const started = { ready: /start worker process/, signal: 'SIGTERM' } as const
  const nginx = await startDaemon('nginx', ['-e', 'stderr', '-c', join(folder, 'nginx.conf')], started)
  t.after(() => nginx.stop())
  return `http://127.0.0.1:${port}`
}

test('behind nginx that removes the path every path leads back, by the public URL', TIMEOUT, async (t) => {
  const server = await startStowage(t, { publicUrl: 'https://example.com/hub/registry' })
  const nginx = await startNginx(t, `location /hub/registry/ { proxy_pass ${server.url}/; }`)
  await followEveryPath(`${nginx}/hub/registry`, '/hub/registry')
})

test('behind nginx that keeps the path every path leads back, by the public URL', TIMEOUT, async (t) => {
  const server = await startStowage(t, { publicUrl: 'https://example.com/hub/registry' })
  const nginx = await startNginx(t, `location /hub/registry/ { proxy_pass ${server.url}; }`)
  await followEveryPath(`${nginx}/hub/registry`, '/hub/registry')
})

test('behind a trusted nginx, every path leads back, by the prefix that it sends', TIMEOUT, async (t) => {
  const server = await startStowage(t, { trustedProxies: '127.0.0.1' })
  const header = 'proxy_set_header X-Forwarded-Prefix /registry;'
  const nginx = await startNginx(t, `location /registry/ { ${header} proxy_pass ${server.url}/; }`)
  await followEveryPath(`${nginx}/registry`, '/registry')
})
