import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Break, brokenNetwork } from './broken-network.ts'
import { layoutTree } from './content-tree.ts'
import { imageLayout } from './image.ts'
import { servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('broken-network')
after(() => session.close())

const LAYER = 6_000_000
const HALFWAY = 3_000_000

/** How a client pushes the image of a layout. */
const PUSHES: Record<string, (layout: string, image: string, host: string) => Promise<unknown>> = {
  async regctl(layout, image, host) {
    await session.run('regctl', ['registry', 'set', '--tls', 'disabled', '--skip-check', host])
    await session.run('regctl', ['image', 'copy', `ocidir://${layout}:latest`, image])
  },
  async skopeo(layout, image) {
    const copy = ['copy', '--quiet', '--dest-tls-verify=false', `oci:${layout}:latest`, `docker://${image}`]
    // It does not try again by itself where a connection breaks while it writes: whoever runs it does.
    const again = () => session.run('skopeo', copy)
    await again().catch(again).catch(again)
  },
  crane: (layout, image) => session.run('crane', ['push', '--insecure', layout, image]),
}

for (const [client, push] of Object.entries(PUSHES)) {
  for (const how of ['cut', 'unseen'] as const satisfies Break[]) {
    for (const times of [1, 2]) {
      test(`${client} pushes an image though ${times} of its connections break, ${how}`, async () => {
        const layout = join(await session.folder(), 'in')
        await imageLayout(layout, [LAYER])
        const network = await brokenNetwork(session.host, { how, afterBytes: HALFWAY, times })
        try {
          const name = session.repository(client)
          await push(layout, `${network.host}/${name}:v1`, network.host)
          assert.equal(network.broken, times)
          assert.deepEqual(await servedTree(session.host, name, 'v1'), await layoutTree(layout))
        } finally {
          await network.close()
        }
      })
    }
  }
}
