import { digestOf } from '../../../client/hasher.ts'
import { cleanUpBlob, wantBlob, wantCreated } from '../../blob.ts'
import type { Case } from '../../case.ts'
import { NotSupported } from '../../outcome.ts'
import { type Probe, randomContent, wantStatus } from '../../probe.ts'
import { acceptUpload, closeUpload, locationOf, pushBlob } from '../../upload.ts'

const MOUNTING = { group: 'specification', section: 'Mounting a blob from another repository' } as const

const MUST_BE_201 =
  'The response to a successful mount MUST be `201 Created`, and MUST contain the following header: Location: <blob-location>'
const SHOULD_BE_202 =
  'Alternatively, if a registry does not support cross-repository mounting or is unable to mount the requested blob, it SHOULD return a `202`.'

/** Asks for a mount of a blob. */
async function mount(probe: Probe, digest: string, from?: string) {
  const target = `/v2/${probe.repository}/blobs/uploads/?mount=${digest}${from === undefined ? '' : `&from=${from}`}`
  return { target, answer: await probe.send({ method: 'POST', target, headers: { 'Content-Length': '0' } }) }
}

/** Pushes a blob elsewhere and asks for a mount of it. */
async function mountPushed(probe: Probe, from?: string) {
  const bytes = randomContent(512)
  const digest = await pushBlob(probe, bytes, probe.otherRepository)
  cleanUpBlob(probe, digest)
  return { bytes, digest, ...(await mount(probe, digest, from)) }
}

/** Fails unless what was pushed elsewhere is here. */
async function wantMount(probe: Probe, from?: string): Promise<void> {
  const { bytes, digest, target, answer } = await mountPushed(probe, from)
  if (answer.status === 202) {
    acceptUpload(probe, target, answer)
    throw new NotSupported('a mount starts an upload instead')
  }
  await wantCreated(probe, answer, { target, bytes })
  await wantBlob(probe, digest, bytes)
}

/** Fails unless a mount is made or becomes an upload. */
async function wantMountOrUpload(probe: Probe, from?: string): Promise<void> {
  const { bytes, digest, target, answer } = await mountPushed(probe, from)
  wantStatus(answer, 201, 202)
  if (answer.status === 201) return
  wantStatus(await closeUpload(probe, locationOf(probe, target, answer), { digest, body: bytes }), 201)
}

/** Asks for a mount of what is nowhere, and goes on with the upload that it gets. */
async function mountMissing(probe: Probe): Promise<void> {
  const bytes = randomContent(512)
  const digest = await digestOf(bytes)
  const { target, answer } = await mount(probe, digest, probe.otherRepository)
  wantStatus(answer, 202)
  const location = locationOf(probe, target, answer)
  cleanUpBlob(probe, digest)
  wantStatus(await closeUpload(probe, location, { digest, body: bytes }), 201)
  await wantBlob(probe, digest, bytes)
}

/** Cases of mounting blobs. */
export const mountCases: readonly Case[] = [
  {
    ...MOUNTING,
    id: 'mount-or-upload',
    title: 'a blob is mounted, or an upload starts',
    level: 'SHOULD',
    version: '1.0',
    sentence: SHOULD_BE_202,
    needs: ['blob-push-post-put'],
    run: (probe) => wantMountOrUpload(probe, probe.otherRepository),
  },
  {
    ...MOUNTING,
    id: 'mount-anonymous-or-upload',
    title: 'a blob is mounted without a source repository, or an upload starts',
    level: 'SHOULD',
    version: '1.1',
    sentence: SHOULD_BE_202,
    needs: ['blob-push-post-put'],
    run: (probe) => wantMountOrUpload(probe),
  },
  {
    ...MOUNTING,
    id: 'mount-from',
    title: 'a blob is mounted from the repository that has it',
    level: 'MUST',
    version: '1.0',
    feature: 'mount',
    sentence: MUST_BE_201,
    needs: ['mount-or-upload', 'blob-pull'],
    run: (probe) => wantMount(probe, probe.otherRepository),
  },
  {
    ...MOUNTING,
    id: 'mount-anonymous',
    title: 'a blob is mounted without a source repository',
    level: 'MUST',
    version: '1.1',
    feature: 'anonymous mount',
    sentence: MUST_BE_201,
    needs: ['mount-anonymous-or-upload', 'blob-pull'],
    run: (probe) => wantMount(probe),
  },
  {
    ...MOUNTING,
    id: 'mount-missing-blob',
    title: 'a mount of a blob that the source does not have starts an upload',
    level: 'SHOULD',
    version: '1.0',
    sentence: SHOULD_BE_202,
    needs: ['blob-pull'],
    async run(probe) {
      await pushBlob(probe, randomContent(512), probe.otherRepository)
      await mountMissing(probe)
    },
  },
  {
    ...MOUNTING,
    id: 'mount-missing-repository',
    title: 'a mount from an unknown repository starts an upload',
    level: 'SHOULD',
    version: '1.0',
    sentence: SHOULD_BE_202,
    needs: ['blob-pull'],
    run: mountMissing,
  },
]
