import { digestOf } from '../../../client/hasher.ts'
import { askForBlob, cleanUpBlob, wantBlob, wantCreated, wantRefused } from '../../blob.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { type Probe, randomContent, wantStatus } from '../../probe.ts'
import {
  acceptUpload,
  closeUpload,
  isRefused,
  leaveUpload,
  locationOf,
  needMethod,
  postUpload,
  pushBlob,
  startUpload,
  withParameter,
} from '../../upload.ts'

const POST_PUT = { group: 'specification', section: 'POST then PUT' } as const
const SINGLE_POST = { group: 'specification', section: 'Single POST' } as const
const PUSHING = { group: 'specification', section: 'Pushing blobs', level: 'SHOULD', version: 'dev' } as const
const CANCELLING = {
  group: 'specification',
  section: 'Cancel a blob upload',
  level: 'SHOULD',
  version: 'dev',
  feature: 'cancel uploads',
} as const

const SHOULD_BE_400 =
  'In each implementation, if the client provided digest is invalid or uses an unsupported algorithm, the registry SHOULD respond with a response code `400 Bad Request`.'

/** Pushes a blob by one POST, whatever the answer. */
async function postWhole(probe: Probe, bytes: Uint8Array, digest: string) {
  const target = withParameter(`/v2/${probe.repository}/blobs/uploads/`, 'digest', digest)
  const headers = { 'Content-Type': 'application/octet-stream' }
  return { target, answer: await probe.send({ method: 'POST', target, headers, body: bytes }) }
}

/** Pushes random content by POST and PUT under a digest that it has not. */
async function putUnder(probe: Probe, digest: string): Promise<ProbeAnswer> {
  const location = await startUpload(probe)
  leaveUpload(probe, location)
  return await closeUpload(probe, location, { digest, body: randomContent(512) })
}

const POST_PUT_CASES: readonly Case[] = [
  {
    ...POST_PUT,
    id: 'upload-start',
    title: 'an upload can be started, and the response has its location',
    level: 'MUST',
    version: '1.0',
    feature: 'push',
    sentence:
      'Upon success, the response MUST have a code of `202 Accepted`, and MUST include the following header: Location: <blob-push-location>',
    async run(probe) {
      const target = `/v2/${probe.repository}/blobs/uploads/`
      const begun = await postUpload(probe, target)
      needMethod(begun, 'POST')
      acceptUpload(probe, target, begun)
    },
  },
  {
    ...POST_PUT,
    id: 'upload-unique',
    title: 'each upload has its own location',
    level: 'MUST',
    version: '1.0',
    sentence:
      'The `<blob-push-location>` MUST contain a UUID representing a unique session ID for the upload to follow.',
    needs: ['upload-start'],
    async run(probe) {
      const first = await startUpload(probe)
      leaveUpload(probe, first)
      const second = await startUpload(probe)
      leaveUpload(probe, second)
      if (first === second) throw new Failure('another Location for another upload', first)
    },
  },
  {
    ...POST_PUT,
    id: 'blob-push-post-put',
    title: 'a blob can be pushed by a POST and a PUT',
    level: 'MUST',
    version: '1.0',
    sentence:
      'Upon successful completion of the request, the response MUST have code `201 Created` and MUST have the following header: Location: <blob-location>',
    needs: ['upload-start'],
    async run(probe) {
      await pushBlob(probe, randomContent(512))
    },
  },
  {
    ...POST_PUT,
    id: 'blob-push-location',
    title: 'a pushed blob can be pulled from its location',
    level: 'MUST',
    version: '1.0',
    sentence: 'With `<blob-location>` being a pullable blob URL.',
    needs: ['blob-push-post-put', 'blob-pull'],
    async run(probe) {
      const bytes = randomContent(512)
      const digest = await digestOf(bytes)
      cleanUpBlob(probe, digest)
      const target = await startUpload(probe)
      await wantCreated(probe, await closeUpload(probe, target, { digest, body: bytes }), { target, bytes })
    },
  },
  {
    ...POST_PUT,
    id: 'blob-push-sha512',
    title: 'a blob can be pushed and pulled by its sha512 digest',
    level: 'MUST',
    version: '1.0',
    feature: 'sha512',
    sentence:
      'Here, `<digest>` is the digest of the blob being uploaded, and `<length>` is its size in bytes.',
    needs: ['blob-push-post-put', 'blob-pull'],
    async run(probe) {
      const bytes = randomContent(512)
      const digest = await digestOf(bytes, 'sha512')
      cleanUpBlob(probe, digest)
      const pushed = await closeUpload(probe, await startUpload(probe), { digest, body: bytes })
      if (isRefused(pushed)) throw new NotSupported(`a sha512 digest returns ${pushed.status}`)
      wantStatus(pushed, 201)
      await wantBlob(probe, digest, bytes)
    },
  },
]

const SINGLE_POST_CASES: readonly Case[] = [
  {
    ...SINGLE_POST,
    id: 'blob-push-single-post',
    title: 'a blob can be pushed by a single POST',
    level: 'MUST',
    version: '1.0',
    feature: 'single POST',
    sentence:
      'Successful completion of the request MUST return a `201 Created` and MUST include the following header: Location: <blob-location>',
    needs: ['blob-push-single-post-or-upload', 'blob-pull'],
    async run(probe) {
      const bytes = randomContent(512)
      const digest = await digestOf(bytes)
      cleanUpBlob(probe, digest)
      const { target, answer } = await postWhole(probe, bytes, digest)
      if (answer.status === 202) {
        acceptUpload(probe, target, answer)
        throw new NotSupported('a POST with a blob starts an upload')
      }
      await wantCreated(probe, answer, { target, bytes })
      await wantBlob(probe, digest, bytes)
    },
  },
  {
    ...SINGLE_POST,
    id: 'blob-push-single-post-or-upload',
    title: 'a POST with a blob stores it or starts an upload',
    level: 'SHOULD',
    version: '1.0',
    sentence:
      'Registries that do not support single request monolithic uploads SHOULD return a `202 Accepted` status code and `Location` header and clients SHOULD proceed with a subsequent PUT request, as described by the POST then PUT upload method.',
    needs: ['blob-push-post-put'],
    async run(probe) {
      const bytes = randomContent(512)
      const digest = await digestOf(bytes)
      cleanUpBlob(probe, digest)
      const { target, answer } = await postWhole(probe, bytes, digest)
      wantStatus(answer, 201, 202)
      if (answer.status === 201) return
      const location = locationOf(probe, target, answer)
      wantStatus(await closeUpload(probe, location, { digest, body: bytes }), 201)
    },
  },
]

const DIGEST_CASES: readonly Case[] = [
  {
    ...PUSHING,
    id: 'digest-mismatch-put',
    title: 'a PUT with a wrong digest is rejected',
    sentence: SHOULD_BE_400,
    needs: ['blob-push-post-put'],
    async run(probe) {
      const digest = await digestOf(randomContent(512))
      wantRefused(probe, await putUnder(probe, digest), digest)
    },
  },
  {
    ...PUSHING,
    id: 'digest-mismatch-single-post',
    title: 'a POST with a wrong digest is rejected',
    feature: 'single POST',
    sentence: SHOULD_BE_400,
    needs: ['blob-push-single-post'],
    async run(probe) {
      const digest = await digestOf(randomContent(512))
      const { answer } = await postWhole(probe, randomContent(512), digest)
      wantRefused(probe, answer, digest)
    },
  },
  {
    ...PUSHING,
    id: 'digest-mismatch-not-kept',
    title: 'a blob with a wrong digest is not found afterwards',
    level: 'MUST',
    version: '1.0',
    sentence: 'If the blob is not found in the repository, the response code MUST be `404 Not Found`.',
    needs: ['blob-push-post-put', 'blob-pull-missing'],
    async run(probe) {
      const digest = await digestOf(randomContent(512))
      if ((await putUnder(probe, digest)).status === 201) cleanUpBlob(probe, digest)
      wantStatus(await askForBlob(probe, digest), 404)
    },
  },
  {
    ...PUSHING,
    id: 'digest-invalid',
    title: 'a blob is rejected if its digest is malformed',
    sentence: SHOULD_BE_400,
    needs: ['blob-push-post-put'],
    async run(probe) {
      wantStatus(await putUnder(probe, 'sha256:baddigeststring'), 400)
    },
  },
  {
    ...PUSHING,
    id: 'digest-unsupported',
    title: 'a digest with an unknown algorithm is rejected',
    sentence: SHOULD_BE_400,
    needs: ['blob-push-post-put'],
    async run(probe) {
      const digest = `stowage-unknown:${'0'.repeat(64)}`
      wantRefused(probe, await putUnder(probe, digest), digest)
    },
  },
]

const CANCEL_CASES: readonly Case[] = [
  {
    ...CANCELLING,
    id: 'upload-cancel',
    title: 'an upload can be canceled',
    sentence: 'If successful, the response SHOULD be a `204 No Content` response code.',
    needs: ['upload-start'],
    async run(probe) {
      const cancelled = await probe.send({ method: 'DELETE', target: await startUpload(probe) })
      if (isRefused(cancelled)) throw new NotSupported(`canceling an upload returns ${cancelled.status}`)
      wantStatus(cancelled, 204)
    },
  },
  {
    ...CANCELLING,
    id: 'upload-cancel-ends',
    title: 'a canceled upload accepts no blob',
    sentence: 'During a blob upload, the session may be canceled with a `DELETE` request:',
    needs: ['upload-cancel', 'blob-push-post-put'],
    async run(probe) {
      const location = await startUpload(probe)
      wantStatus(await probe.send({ method: 'DELETE', target: location }), 204)
      const body = randomContent(512)
      const digest = await digestOf(body)
      cleanUpBlob(probe, digest)
      wantStatus(await closeUpload(probe, location, { digest, body }), 404)
    },
  },
]

/** Cases of beginning and cancelling uploads, and of pushing blobs whole. */
export const uploadCases: readonly Case[] = [
  ...POST_PUT_CASES,
  ...SINGLE_POST_CASES,
  ...DIGEST_CASES,
  ...CANCEL_CASES,
]
