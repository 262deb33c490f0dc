import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { descriptorOf, manifestOf, pushBlob, pushManifest } from '../content.ts'

/**
 * Pushes images on several connections until it is told to end, moves a tag from one to the next, and deletes some.
 *
 * @returns what ends it, and tells how many were pushed
 */
export function pushOn(url: string, layerSize = 100_000): () => Promise<number> {
  let isOver = false
  const push = async (pusher: number) => {
    const repository = `load/${pusher}`
    const pushed: string[] = []
    let count = 0
    for (; !isOver; count++) {
      const layer = randomBytes(layerSize)
      await pushBlob(url, repository, layer)
      const manifest = manifestOf({ layers: [descriptorOf(layer)], annotations: { turn: String(count) } })
      for (const tag of [`v${count}`, 'latest'])
        assert.equal((await pushManifest(url, repository, manifest, tag)).status, 201)
      pushed.push(manifest.digest)
      const old = count % 3 === 2 ? pushed.shift() : undefined
      if (old !== undefined) await fetch(`${url}/v2/${repository}/manifests/${old}`, { method: 'DELETE' })
    }
    return count
  }
  const pushers = Promise.all([1, 2, 3, 4].map(push))
  return async () => {
    isOver = true
    return (await pushers).reduce((sum, count) => sum + count, 0)
  }
}
