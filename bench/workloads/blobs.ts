import { contentOf, MIB } from '../load/content.ts'
import { type Case, type Family, generated, type Scale, takeIds } from '../workload.ts'

/** Sizes by the names that workloads have. */
const SIZES: Readonly<Record<string, { label: string; bytes: number; pushClients: readonly number[] }>> = {
  '1m': { label: '1 MiB', bytes: MIB, pushClients: [1, 4, 16] },
  '10m': { label: '10 MiB', bytes: 10 * MIB, pushClients: [1, 4, 16] },
  '100m': { label: '100 MiB', bytes: 100 * MIB, pushClients: [1, 4, 16] },
  '1g': { label: '1 GiB', bytes: 1024 * MIB, pushClients: [1, 4] },
}
const PULL_CLIENTS = [1, 4, 32]
const MAIN_CLIENTS = 4
const QUICK_DIVISOR = 16
/** What one case pushes at most, unless each client must push once. */
const PUSH_BYTES = 1536 * MIB
const QUICK_PUSH_BYTES = 128 * MIB
/** Content of pulls has these numbers, and no push has. */
const PULL_IDS = 2 ** 42

function bytesOf(size: string, { quick }: Scale): number {
  const bytes = SIZES[size]?.bytes ?? NaN
  return quick ? Math.floor(bytes / QUICK_DIVISOR) : bytes
}

function clientsText(clients: number): string {
  return `${clients} ${clients === 1 ? 'client' : 'clients'}`
}

/** Reads of one blob by all clients. */
export const PULLS: readonly Family[] = Object.entries(SIZES).map(([size, { label, bytes }]) => ({
  name: `pull/${size}`,
  readOnly: true,
  seed: async (seeder, scale) =>
    await seeder.blob('bench/pull', contentOf(PULL_IDS + bytes, bytesOf(size, scale))),
  cases: PULL_CLIENTS.map(
    (clients): Case => ({
      name: `pull/${size}/${clients}`,
      label: `pull ${label}, ${clientsText(clients)}`,
      unit: 'byte',
      isMain: clients === MAIN_CLIENTS,
      load: generated((scale) => {
        const id = PULL_IDS + bytes
        const { digest, size: length } = contentOf(id, bytesOf(size, scale))
        return { kind: 'pull', clients, path: `/v2/bench/pull/blobs/${digest}`, id, size: length }
      }),
    }),
  ),
}))

/** Pushes of blobs that nobody has pushed before. */
export const PUSHES: readonly Family[] = [false, true].flatMap((streamed) =>
  Object.entries(SIZES).map(([size, { label, pushClients }]): Family => {
    const name = streamed ? `push-streamed/${size}` : `push/${size}`
    const how = streamed ? 'push streamed' : 'push'
    return {
      name,
      readOnly: false,
      async seed() {},
      cases: pushClients.map((clients) => ({
        name: `${name}/${clients}`,
        label: `${how} ${label}, ${clientsText(clients)}`,
        unit: 'byte',
        isMain: clients === MAIN_CLIENTS,
        load: generated((scale) => pushPlan(bytesOf(size, scale), { clients, streamed, scale })),
      })),
    }
  }),
)

function pushPlan(
  size: number,
  { clients, streamed, scale }: { clients: number; streamed: boolean; scale: Scale },
) {
  const budget = scale.quick ? QUICK_PUSH_BYTES : PUSH_BYTES
  const count = Math.max(clients, Math.floor(budget / size))
  const firstId = takeIds(count)
  return { kind: 'push', repository: 'bench/push', clients, size, streamed, count, firstId } as const
}
