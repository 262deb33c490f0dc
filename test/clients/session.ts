import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, clientAt } from './command.ts'
import { startRegistry } from './registry.ts'

/** One test file's registry, the home folder of its client, and names that no other session uses. */
export type Session = Client & {
  host: string
  /** A new folder for one test. */
  folder(): Promise<string>
  /** A new repository name; `host/name` is what clients call an image. */
  repository(name: string): string
  close(): Promise<void>
}

export async function openSession(client: string): Promise<Session> {
  // Hex, since podman turns a path into an image name and wants it in lower case.
  const id = `${client}-${randomBytes(4).toString('hex')}`
  const root = join(tmpdir(), `stowage-clients-${id}`)
  const home = join(root, 'home')
  await mkdir(home, { recursive: true })
  const registry = await startRegistry(join(root, 'data'))
  let made = 0
  return {
    ...clientAt(home),
    host: registry.host,
    async folder() {
      const folder = join(root, `test-${++made}`)
      await mkdir(folder)
      return folder
    },
    repository: (name) => `clients/${id}/${name}-${++made}`,
    async close() {
      await registry.stop().finally(() => rm(root, { recursive: true, force: true, maxRetries: 3 }))
    },
  }
}
