import { mountCases } from '../../src/conformance/cases/specification/mounts.ts'
import { type KnownBad, testKnownBad, testKnownGood } from './blob-faults.ts'
import {
  asking,
  emptyAnswer,
  type Fault,
  leavingOut,
  on,
  PATHS,
  rewriting,
  turning,
} from './faulty-registry.ts'

const MOUNT = on('POST', PATHS.uploads, ({ query }) => query.has('mount'))
const MOUNT_FROM = on('POST', PATHS.uploads, ({ query }) => query.has('mount') && query.has('from'))
const MOUNT_ANONYMOUS = on('POST', PATHS.uploads, ({ query }) => query.has('mount') && !query.has('from'))

/** Refuses mounts that it can't do, from repositories that it knows, or from those that it doesn't. */
function refusingMounts({ ofKnown }: { ofKnown: boolean }): Fault {
  return (app) => {
    const known = new Set<string>()
    return async (request) => {
      const response = await app(request)
      if (response.status === 201) known.add(request.path.replace(/^\/v2\/|\/blobs\/.*$/g, ''))
      if (!MOUNT_FROM(request) || response.status !== 202) return response
      return known.has(request.query.get('from') ?? '') === ofKnown ? emptyAnswer(404) : response
    }
  }
}

const KNOWN_BAD: readonly KnownBad[] = [
  { id: 'mount-or-upload', does: 'mounts with 200', fault: turning(MOUNT_FROM, 201, 200) },
  { id: 'mount-or-upload', does: 'refuses mounts with 403', fault: turning(MOUNT_FROM, 201, 403) },
  {
    id: 'mount-from',
    does: 'does not tell where a mounted blob is',
    fault: rewriting(MOUNT_FROM, 'Location', (location, { path }) =>
      location.startsWith(path) ? location : '',
    ),
  },
  {
    id: 'mount-from',
    does: 'only says that it mounts',
    fault: (app) => async (request) => {
      if (!MOUNT_FROM(request)) return await app(request)
      return emptyAnswer(201, {
        Location: `${request.path.replace(/uploads\/$/, '')}${request.query.get('mount')}`,
      })
    },
    alsoFails: ['mount-missing-blob', 'mount-missing-repository'],
  },
  {
    id: 'mount-anonymous-or-upload',
    does: 'mounts from anywhere with 204',
    fault: turning(MOUNT_ANONYMOUS, 201, 204),
  },
  {
    id: 'mount-anonymous',
    does: 'does not tell where a blob from anywhere is',
    fault: leavingOut(MOUNT_ANONYMOUS, 'Location'),
  },
  {
    id: 'mount-missing-blob',
    does: 'refuses mounts of blobs that a repository has not',
    fault: refusingMounts({ ofKnown: true }),
  },
  {
    id: 'mount-missing-repository',
    does: 'refuses mounts from repositories that are not there',
    fault: refusingMounts({ ofKnown: false }),
  },
]

testKnownBad(mountCases, KNOWN_BAD)

testKnownGood([
  {
    does: 'mounts nothing',
    fault: asking(MOUNT, () => ({ query: new URLSearchParams() })),
    lacks: ['anonymous mount', 'mount'],
  },
  {
    does: 'mounts only from a repository that is named',
    fault: asking(MOUNT_ANONYMOUS, () => ({ query: new URLSearchParams() })),
    lacks: ['anonymous mount'],
  },
])
