import { wantBlob, wantCreated } from '../blob.ts'
import { type Case, NotSupported } from '../case.ts'
import { digestOf, type Probe, randomContent, wantStatus } from '../probe.ts'
import { acceptUpload, closeUpload, pushBlob } from '../upload.ts'

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

/** Pushes a blob elsewhere and has it mounted. */
async function mountPushed(probe: Probe, from?: string): Promise<void> {
  const bytes = randomContent(512)
  const digest = await pushBlob(probe, bytes, probe.otherRepository)
  probe.cleanUp({ method: 'DELETE', target: `/v2/${probe.repository}/blobs/${digest}` })
  const { target, answer } = await mount(probe, digest, from)
  if (answer.status === 202) {
    acceptUpload(probe, target, answer)
    throw new NotSupported('a mount is answered with an upload')
  }
  await wantCreated(probe, answer, { target, bytes })
  await wantBlob(probe, digest, bytes)
}

/** Asks for a mount of what is nowhere, and goes on with the upload that it gets. */
async function mountMissing(probe: Probe): Promise<void> {
  const bytes = randomContent(512)
  const digest = await digestOf(bytes)
  const { target, answer } = await mount(probe, digest, probe.otherRepository)
  const location = acceptUpload(probe, target, answer)
  probe.cleanUp({ method: 'DELETE', target: `/v2/${probe.repository}/blobs/${digest}` })
  wantStatus(await closeUpload(probe, location, { digest, body: bytes }), 201)
  await wantBlob(probe, digest, bytes)
}

/** Cases of mounting blobs. */
export const mountCases: readonly Case[] = [
  {
    ...MOUNTING,
    id: 'mount-from',
    title: 'a blob is mounted from the repository that has it',
    level: 'MUST',
    version: '1.0',
    feature: 'mount',
    sentence: MUST_BE_201,
    needs: ['blob-pull'],
    run: (probe) => mountPushed(probe, probe.otherRepository),
  },
  {
    ...MOUNTING,
    id: 'mount-anonymous',
    title: 'a blob is mounted from wherever it is',
    level: 'MUST',
    version: '1.1',
    feature: 'anonymous mount',
    sentence: MUST_BE_201,
    needs: ['blob-pull'],
    run: (probe) => mountPushed(probe),
  },
  {
    ...MOUNTING,
    id: 'mount-missing-blob',
    title: 'a mount of a blob that the other repository has not becomes an upload',
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
    title: 'a mount from a repository that is not there becomes an upload',
    level: 'SHOULD',
    version: '1.0',
    sentence: SHOULD_BE_202,
    needs: ['blob-pull'],
    run: mountMissing,
  },
]
