import { digestOf } from '../../../client/hasher.ts'
import { blobPath, wantBlob } from '../../blob.ts'
import type { Case } from '../../case.ts'
import { type Probe, randomContent, wantStatus } from '../../probe.ts'
import { hostHeader, rawRequest } from '../../raw-request.ts'
import { closeUpload, startUpload, withParameter } from '../../upload.ts'

const SIZE = 200_000

/** Random bytes that a request on a connection of its own can carry as text. */
function randomText(size: number): Uint8Array {
  return randomContent(size).map((byte) => (byte % 26) + 97)
}

/** Announces a whole body in a closing PUT, sends half of it, and ends the connection. */
async function closeHalfway(probe: Probe, location: string, { digest, body }: Content): Promise<void> {
  const { pathname, search } = new URL(withParameter(location, 'digest', digest), probe.origin)
  const headers = [
    hostHeader(probe.origin),
    'Content-Type: application/octet-stream',
    `Content-Length: ${body.length}`,
  ]
  const half = new TextDecoder().decode(body.subarray(0, body.length / 2))
  await probe.sendRaw(rawRequest(`PUT ${pathname}${search}`, headers, half), { end: true })
}

interface Content {
  digest: string
  body: Uint8Array
}

/** What clients need where a connection breaks in the middle of a body. */
export const clientCutCases: readonly Case[] = [
  {
    group: 'clients',
    level: 'SHOULD',
    version: '1.0',
    section: 'What clients send again over a bad network',
    id: 'client-close-cut',
    title: 'an interrupted closing PUT can be repeated as a whole',
    sentence:
      'regctl repeats the same PUT after a broken connection. A registry that appends the repeated body to the first part computes a different digest every time.',
    needs: ['blob-push-post-put'],
    async run(probe) {
      const body = randomText(SIZE)
      const digest = await digestOf(body)
      probe.cleanUp({ method: 'DELETE', target: blobPath(probe.repository, digest) })
      const location = await startUpload(probe)
      await closeHalfway(probe, location, { digest, body })
      wantStatus(await closeUpload(probe, location, { digest, body }), 201)
      await wantBlob(probe, digest, body)
    },
  },
]
