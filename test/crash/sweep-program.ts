import { randomBytes } from 'node:crypto'
import { openDataFolder } from '../../src/data-folder.ts'
import { localRegistry } from '../../src/registry/registry.ts'

// What the server does once a minute, at once and for all that is queued, so that it can be killed while it does.
const DAY_MS = 86_400_000

const folder = await openDataFolder(process.argv[2] ?? '')
const registry = localRegistry({
  ...folder,
  retention: { uploads: DAY_MS, unusedBlobs: DAY_MS, deletedManifests: DAY_MS, history: DAY_MS, garbage: 0 },
  clock: Date.now,
  random: randomBytes,
})
process.stdout.write('sweeping\n')
await registry.sweep(new AbortController().signal)
await folder.close()
process.stdout.write('swept\n')
