import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ANONYMOUS } from '../../../src/metadata/actor.ts'
import { testManifests } from '../../suites/metadata-manifests.ts'
import {
  blobCommand,
  commitOne,
  edge,
  manifestCommand,
  newRepository,
  tags,
  testClock,
} from '../../suites/metadata-place.ts'
import { newUpload, openCommand } from '../../suites/metadata-upload.ts'
import { testOpening } from '../../suites/metadata-upload-opening.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { pushByPlan } from './push-by-plan.ts'
import { pushByRow } from './push-by-row.ts'
import { pushBySet } from './push-by-set.ts'
import { openSpike, type Push, type SpikeStore } from './store.ts'

/** Each design of a push, and the round trips of an image of 20 layers that ARCHITECTURE.md names. */
const DESIGNS: readonly [name: string, push: Push, roundTrips: number][] = [
  ['row', pushByRow, 75],
  ['set', pushBySet, 14],
  ['plan', pushByPlan, 5],
]
const PUSHES = 100

let cluster: Cluster | undefined
before(() => {
  cluster = startCluster()
})
after(() => cluster?.stop())

for (const [name, push, roundTrips] of DESIGNS) {
  describe(`PostgreSQL with pushes by ${name}`, () => {
    let opened: SpikeStore | undefined
    const getStore = () => {
      if (opened === undefined) throw new Error('the store is not open')
      return opened
    }
    before(async () => {
      opened = await openSpike(cluster?.host ?? '', `by_${name}`, { push, clock: testClock })
    })
    after(async () => await opened?.close())
    testManifests(getStore)
    testOpening(getStore)

    test('an image of 20 layers takes the round trips that ARCHITECTURE.md names', async (t) => {
      const store = getStore()
      const repository = newRepository()
      const layers = Array.from({ length: 21 }, () => blobCommand(repository))
      await store.commit(layers)
      const edges = layers.map(({ digest }, index) => edge(index === 0 ? 'config' : 'layer', digest))
      const figures = { push: 0, remove: 0, open: 0 }
      for (let index = 0; index < PUSHES; index++) {
        const command = manifestCommand(repository, { edges, tags: tags('latest') })
        figures.push += await timed(() => commitOne(store, command))
        assert.equal(store.roundTrips, roundTrips)
        const remove = {
          type: 'deleteManifest',
          actor: ANONYMOUS,
          repository,
          digest: command.digest,
        } as const
        figures.remove += await timed(() => commitOne(store, remove))
        assert.equal(store.roundTrips, 8)
        figures.open += await timed(() => commitOne(store, openCommand(newUpload())))
        assert.equal(store.roundTrips, 4)
      }
      for (const [command, total] of Object.entries(figures))
        t.diagnostic(`${name}: ${command} took ${(total / PUSHES).toFixed(2)} ms`)
    })
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}
