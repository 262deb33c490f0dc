import { createWriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Connection } from './load/connection.ts'
import type { Content } from './load/content.ts'
import { asContent, pushBlob, putManifest } from './load/exchange.ts'
import type { Image } from './load/image.ts'
import type { RunningSystem } from './system.ts'
import { filesFolder } from './systems.ts'

/** Puts content into a system: a registry is pushed to, a server of files gets a file under the path of each. */
export interface Seeder {
  blob(repository: string, content: Content): Promise<void>
  manifest(repository: string, reference: string, bytes: Buffer): Promise<void>
  /** An answer that a registry makes of what it has; only a server of files takes it as it is. */
  answer(path: string, bytes: Buffer): Promise<void>
  close(): void
}

/** Makes the seeder that fits a system. */
export async function seederOf(running: RunningSystem): Promise<Seeder> {
  if (running.system.kind === 'files') return filesSeeder(filesFolder(running.folder))
  return registrySeeder(await Connection.open(running.address))
}

/** Seeds an image: both blobs, and the manifest under its digest and under tags. */
export async function seedImage(
  seeder: Seeder,
  { repository, tags }: { repository: string; tags: readonly string[] },
  image: Image,
): Promise<void> {
  await seeder.blob(repository, image.layer)
  await seeder.blob(repository, asContent(image.config))
  for (const reference of [image.manifest.digest, ...tags]) {
    await seeder.manifest(repository, reference, image.manifest.bytes)
  }
}

function registrySeeder(connection: Connection): Seeder {
  return {
    async blob(repository, content) {
      await pushBlob(connection, repository, { content })
    },
    async manifest(repository, reference, bytes) {
      await putManifest(connection, { repository, reference }, bytes)
    },
    async answer() {},
    close: () => connection.close(),
  }
}

function filesSeeder(root: string): Seeder {
  const write = async (path: string, bytes: Buffer) => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), bytes)
  }
  return {
    async blob(repository, { digest, pieces }) {
      const path = join(root, `v2/${repository}/blobs/${digest}`)
      await mkdir(dirname(path), { recursive: true })
      await pipeline(flat(pieces()), createWriteStream(path))
    },
    manifest: async (repository, reference, bytes) =>
      await write(`v2/${repository}/manifests/${reference}`, bytes),
    answer: write,
    close() {},
  }
}

function* flat(pieces: Iterable<readonly Buffer[]>): Iterable<Buffer> {
  for (const buffers of pieces) yield* buffers
}
