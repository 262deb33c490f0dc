import type { Case } from '../case.ts'
import { randomContent, wantBody, wantStatus } from '../probe.ts'
import { pushBlob } from '../upload.ts'

/** Cases of blobs: pushing, pulling, asking for them. */
export const blobCases: readonly Case[] = [
  {
    id: 'blob-push-post-put',
    title: 'a blob is pushed by a POST and a PUT',
    group: 'specification',
    level: 'MUST',
    version: '1.0',
    section: 'Pushing a blob monolithically',
    sentence: 'Upon successful completion of the request, the response MUST have code `201 Created`.',
    async run(probe) {
      await pushBlob(probe, randomContent(512))
    },
  },
  {
    id: 'blob-pull',
    title: 'a blob that was pushed is pulled whole',
    group: 'specification',
    level: 'MUST',
    version: '1.0',
    section: 'Pulling blobs',
    sentence:
      'A GET request to an existing blob URL MUST provide the expected blob, with a response code that MUST be `200 OK`.',
    needs: ['blob-push-post-put'],
    async run(probe) {
      const bytes = randomContent(512)
      const digest = await pushBlob(probe, bytes)
      const pulled = await probe.send({ method: 'GET', target: `/v2/${probe.repository}/blobs/${digest}` })
      wantStatus(pulled, 200)
      wantBody(pulled, bytes)
    },
  },
]
