import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { assertPullsWhole, type PushedImage, pushRandomImage } from '../images.ts'
import { openSandbox, type Sandbox, type ServingProgram } from './program.ts'

/** A server with images, in a sandbox. */
export interface Served {
  sandbox: Sandbox
  server: ServingProgram
  images: PushedImage[]
  data: string
}

/** A server with two images. */
export async function serveImages(t: TestContext): Promise<Served> {
  const sandbox = await openSandbox(t)
  const server = await sandbox.serve('data', ['--workers', '1'])
  const images = [
    await pushRandomImage(server.url, 'app', 'v1'),
    await pushRandomImage(server.url, 'team/tool', 'latest'),
  ]
  return { sandbox, server, images, data: join(sandbox.folder, 'data') }
}

/**
 * Fails unless a folder can be served, and each of these images pulled from it.
 * @param log all that the server warns of. The server is stopped once it has written that, since it checks its blobs in the background
 */
export async function assertServes(
  sandbox: Sandbox,
  folder: string,
  images: PushedImage[],
  log = /^$/,
): Promise<void> {
  const server = await sandbox.serve(folder, ['--workers', '1'])
  for (const { repository, digest, tag } of images) {
    await assertPullsWhole(server.url, repository, digest)
    await assertPullsWhole(server.url, repository, tag)
  }
  await server.wrote('stderr', log)
  server.signal('SIGTERM')
  const { code, stderr } = await server.ended
  assert.equal(code, 0, stderr)
  assert.match(stderr, log)
}

/** Fails if a check that hashes all bytes finds anything. */
export async function assertSound(sandbox: Sandbox, folder: string): Promise<void> {
  const { code, stdout, stderr } = await sandbox.run(['check', '--full', '--data', folder])
  assert.equal(`${code} ${stderr}`, '0 ', stdout)
  assert.match(stdout, /\nsound\n$/)
}
