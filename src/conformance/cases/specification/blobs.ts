import { digestOf } from '../../../client/hasher.ts'
import { askForBlob, blobPath, wantBlob, wantDigestOf } from '../../blob.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { NotSupported } from '../../outcome.ts'
import { type Probe, randomContent, wantBody, wantHeader, wantStatus } from '../../probe.ts'
import { pushBlob } from '../../upload.ts'

const PULLING = { group: 'specification', section: 'Pulling blobs' } as const
const CHECKING = {
  group: 'specification',
  section: 'Checking if content exists in the registry',
} as const
const DELETING = { group: 'specification', section: 'Deleting Blobs', feature: 'delete blobs' } as const

const MUST_BE_PULLED =
  'A GET request to an existing blob URL MUST provide the expected blob, with a response code that MUST be `200 OK`.'
const MUST_BE_404 = 'If the blob is not found in the repository, the response code MUST be `404 Not Found`.'

/** Pushes a blob and asks for it. */
async function pushAndAsk(probe: Probe, method: 'GET' | 'HEAD') {
  const bytes = randomContent(512)
  const answer = await askForBlob(probe, await pushBlob(probe, bytes), { method })
  wantStatus(answer, 200)
  return { bytes, answer }
}

async function deleteBlob(probe: Probe, digest: string): Promise<ProbeAnswer> {
  return await probe.send({ method: 'DELETE', target: blobPath(probe.repository, digest) })
}

const PULL_CASES: readonly Case[] = [
  {
    ...PULLING,
    id: 'blob-pull',
    title: 'a pushed blob can be pulled completely',
    level: 'MUST',
    version: '1.0',
    sentence: MUST_BE_PULLED,
    needs: ['blob-push-post-put'],
    async run(probe) {
      const { bytes, answer } = await pushAndAsk(probe, 'GET')
      wantBody(answer, bytes)
    },
  },
  {
    ...PULLING,
    id: 'blob-pull-empty',
    title: 'an empty blob can be pushed and pulled',
    level: 'MUST',
    version: '1.0',
    sentence: MUST_BE_PULLED,
    needs: ['blob-pull'],
    async run(probe) {
      const bytes = new Uint8Array()
      await wantBlob(probe, await pushBlob(probe, bytes), bytes)
    },
  },
  {
    ...PULLING,
    id: 'blob-pull-digest-header',
    title: 'a pulled blob has its digest in a header',
    level: 'MUST',
    version: 'dev',
    sentence:
      'A successful response MUST contain the digest of the uploaded blob in the header `Docker-Content-Digest`.',
    needs: ['blob-pull', 'blob-pull-digest-matches'],
    async run(probe) {
      const { bytes, answer } = await pushAndAsk(probe, 'GET')
      await wantDigestOf(answer, bytes)
    },
  },
  {
    ...PULLING,
    id: 'blob-pull-digest-matches',
    title: 'a blob never has the digest of other content in a header',
    level: 'MUST',
    version: '1.0',
    sentence: 'If present, the value of this header MUST be a digest matching that of the response body.',
    needs: ['blob-pull'],
    async run(probe) {
      const { bytes, answer } = await pushAndAsk(probe, 'GET')
      if (answer.headers.has('Docker-Content-Digest')) await wantDigestOf(answer, bytes)
    },
  },
  {
    ...PULLING,
    id: 'blob-pull-missing',
    title: 'an unknown blob is not found',
    level: 'MUST',
    version: '1.0',
    sentence: MUST_BE_404,
    readOnly: true,
    async run(probe) {
      wantStatus(await askForBlob(probe, await digestOf(randomContent(512))), 404)
    },
  },
  {
    ...PULLING,
    id: 'blob-pull-from-elsewhere',
    title: 'a blob of another repository is not found',
    level: 'MUST',
    version: '1.1',
    sentence: MUST_BE_404,
    needs: ['blob-pull', 'blob-pull-missing'],
    async run(probe) {
      await pushBlob(probe, randomContent(512))
      const elsewhere = await pushBlob(probe, randomContent(512), probe.otherRepository)
      wantStatus(await askForBlob(probe, elsewhere), 404)
    },
  },
]

const CHECK_CASES: readonly Case[] = [
  {
    ...CHECKING,
    id: 'blob-head',
    title: 'HEAD reports that a blob exists',
    level: 'MUST',
    version: '1.0',
    sentence: 'A HEAD request to an existing blob or manifest URL MUST return `200 OK`.',
    needs: ['blob-push-post-put'],
    async run(probe) {
      await pushAndAsk(probe, 'HEAD')
    },
  },
  {
    ...CHECKING,
    id: 'blob-head-digest-header',
    title: 'HEAD of a blob has its digest in a header',
    level: 'MUST',
    version: 'dev',
    sentence:
      'A successful response MUST contain the digest of the uploaded blob or manifest in the header `Docker-Content-Digest`.',
    needs: ['blob-head'],
    async run(probe) {
      const { bytes, answer } = await pushAndAsk(probe, 'HEAD')
      await wantDigestOf(answer, bytes)
    },
  },
  {
    ...CHECKING,
    id: 'blob-head-length',
    title: 'HEAD of a blob has its size in a header',
    level: 'MUST',
    version: 'dev',
    sentence:
      'A successful response MUST contain the size in bytes of the uploaded blob or manifest in the header `Content-Length`.',
    needs: ['blob-head'],
    async run(probe) {
      const { bytes, answer } = await pushAndAsk(probe, 'HEAD')
      wantHeader(answer, 'Content-Length', String(bytes.length))
    },
  },
  {
    ...CHECKING,
    id: 'blob-head-missing',
    title: 'HEAD of an unknown blob is not found',
    level: 'MUST',
    version: '1.0',
    sentence:
      'If the blob or manifest is not found in the repository, the response code MUST be `404 Not Found`.',
    readOnly: true,
    async run(probe) {
      wantStatus(await askForBlob(probe, await digestOf(randomContent(512)), { method: 'HEAD' }), 404)
    },
  },
]

const DELETE_CASES: readonly Case[] = [
  {
    ...DELETING,
    id: 'blob-delete',
    title: 'a blob can be deleted, or the response says that deletion is disabled',
    level: 'MUST',
    version: '1.0',
    sentence: 'Upon success, the registry MUST respond with code `202 Accepted`.',
    needs: ['blob-push-post-put'],
    async run(probe) {
      const deleted = await deleteBlob(probe, await pushBlob(probe, randomContent(512)))
      if (deleted.status === 400 || deleted.status === 405)
        throw new NotSupported(`the deletion of a blob returns ${deleted.status}`)
      wantStatus(deleted, 202)
    },
  },
  {
    ...DELETING,
    id: 'blob-delete-ends',
    title: 'a deleted blob is not found',
    level: 'MUST',
    version: '1.0',
    sentence: MUST_BE_404,
    needs: ['blob-delete', 'blob-pull', 'blob-pull-missing'],
    async run(probe) {
      const bytes = randomContent(512)
      const digest = await pushBlob(probe, bytes)
      await wantBlob(probe, digest, bytes)
      wantStatus(await deleteBlob(probe, digest), 202)
      wantStatus(await askForBlob(probe, digest), 404)
    },
  },
  {
    ...DELETING,
    id: 'blob-delete-missing',
    title: 'deleting an unknown blob returns not found',
    level: 'MUST',
    version: '1.0',
    sentence: 'If the blob is not found, a `404 Not Found` code MUST be returned.',
    needs: ['blob-delete'],
    async run(probe) {
      await pushBlob(probe, randomContent(512))
      wantStatus(await deleteBlob(probe, await digestOf(randomContent(512))), 404)
    },
  },
]

/** Cases of pulling blobs, asking for them and deleting them. */
export const blobCases: readonly Case[] = [...PULL_CASES, ...CHECK_CASES, ...DELETE_CASES]
