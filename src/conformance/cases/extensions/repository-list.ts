import type { Case } from '../../case.ts'
import { needEndpoint } from '../../discovery.ts'
import { readPages } from '../../list.ts'
import { makeIndex, offerManifest } from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, wantHeader, wantStatus } from '../../probe.ts'
import {
  ask,
  askForJson,
  entriesOf,
  type JsonObject,
  jsonOf,
  shown,
  stowageTarget,
  wantBadParameters,
  wantField,
  wantTime,
  wantValues,
} from '../../stowage.ts'

const PATH = 'repositories/list'
const OWN = 'application/vnd.stowage.repositories.v1+json'
const ATTEMPTS = 50
/** How long to wait between attempts: other cases push meanwhile, and are done after some seconds. */
const PAUSE_MS = 100

const LIST = {
  group: 'extensions',
  level: 'MUST',
  version: '1.1',
  section: 'Stowage, "Repository list"',
  feature: 'repository list',
  needs: ['repository-list'],
} as const

/** Cases of repositories below a path, and of the whole registry. */
export const repositoryListCases: readonly Case[] = [
  {
    ...LIST,
    id: 'repository-list',
    title: 'the direct children of a path are listed, even if only repositories below them exist',
    sentence:
      'These endpoints list the repositories of the registry, or those below a path, one level at a time. The path need not be a repository itself.',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      await pushTo(probe, ['b/inner', 'a'])
      await needEndpoint(probe, `/v2/${probe.repository}/a`, `_stowage/${PATH}`)
      const body = await askForJson(probe, PATH)
      wantField(body, 'name', probe.repository)
      wantValues(namesIn(body), ['a', 'b'], 'as children')
    },
  },
  {
    ...LIST,
    id: 'repository-list-recursive',
    title: 'all repositories below a path are listed, and nothing else',
    sentence:
      'Lists all repositories below the path, not only its direct children, and leaves out names that are not repositories.',
    async run(probe) {
      await pushTo(probe, ['b/inner', 'a', 'b/inner/most'])
      const body = await askForJson(probe, PATH, { query: '?recursive=true' })
      wantValues(namesIn(body), ['a', 'b/inner', 'b/inner/most'], 'below the path')
    },
  },
  {
    ...LIST,
    id: 'repository-list-empty',
    title: 'a path without repositories has an empty list',
    sentence: 'If nothing was pushed below it, the list is empty.',
    async run(probe) {
      wantValues(namesIn(await askForJson(probe, PATH)), [], 'below the path')
    },
  },
  {
    ...LIST,
    section: 'Stowage, "Extensions"',
    id: 'repository-list-pages',
    title: 'pages of n repositories contain the whole list, each once',
    sentence: 'A list is answered in pages of at most `n` entries. `Link` leads to the next page',
    async run(probe) {
      const names = ['a', 'b', 'c', 'd', 'e']
      await pushTo(probe, names)
      const target = stowageTarget(probe, PATH, { query: '?n=2' })
      const pages = await readPages(probe, target, (answer) => [...namesIn(jsonOf(answer))])
      const long = pages.find(({ items }) => items.length > 2)
      if (long !== undefined) throw new Failure('pages of 2 repositories', `one of ${long.items.length}`)
      wantValues(
        pages.flatMap(({ items }) => items),
        names,
        'in all pages together',
      )
    },
  },
  {
    ...LIST,
    id: 'repository-list-registry',
    title: 'the registry lists the first parts of all names',
    sentence: '`GET /v2/_stowage/repositories/list`',
    async run(probe) {
      await pushTo(probe, ['a'])
      await needEndpoint(probe, '/v2', `_stowage/${PATH}`)
      const target = stowageTarget(probe, PATH, { scope: 'registry' })
      const pages = await readPages(probe, target, (answer) => [...namesIn(jsonOf(answer))])
      const [first = ''] = probe.repository.split('/')
      const names = pages.flatMap(({ items }) => items)
      if (!names.includes(first)) throw new Failure(`${first} in the list`, shown(names))
      const deep = names.find((name) => typeof name !== 'string' || name.includes('/'))
      if (deep !== undefined) throw new Failure('only first parts', shown(deep))
    },
  },
  {
    ...LIST,
    id: 'repository-list-detail',
    title: 'details of each repository are listed on request',
    sentence: 'With `detail=true`, `details` has an entry for each of `repositories`.',
    async run(probe) {
      await pushTo(probe, ['a', 'b/inner'])
      const [one, two] = entriesOf(await askForJson(probe, PATH, { query: '?detail=true' }), 'details')
      wantField(one, 'name', `${probe.repository}/a`)
      wantField(one, 'isRepository', true)
      if (!Number.isInteger(one?.revision)) throw new Failure('a revision', shown(one))
      if (wantTime(one, 'createdAt') > wantTime(one, 'updatedAt'))
        throw new Failure('createdAt before updatedAt', shown(one))
      wantField(two, 'name', `${probe.repository}/b`)
      wantField(two, 'isRepository', false)
    },
  },
  {
    ...LIST,
    id: 'repository-list-etag',
    title: 'an unchanged list returns 304 for its ETag, and a new repository changes the ETag',
    sentence: 'The `ETag` stays the same until something in the registry changes.',
    async run(probe) {
      await pushTo(probe, ['a'])
      const etag = await unchangedState(probe)
      await pushTo(probe, ['b'])
      wantStatus(await ask(probe, PATH, { headers: { 'If-None-Match': etag } }), 200)
    },
  },
  {
    ...LIST,
    section: 'Stowage, "Extensions"',
    id: 'repository-list-media-type',
    title: 'the list is sent in the requested media type',
    sentence:
      'Each answer has its own media type [...] A client that accepts this type, or any type, gets it.',
    async run(probe) {
      wantHeader(await ask(probe, PATH), 'Content-Type', OWN)
      const json = { headers: { Accept: 'application/json' } }
      wantHeader(await ask(probe, PATH, json), 'Content-Type', 'application/json')
    },
  },
  {
    ...LIST,
    id: 'repository-list-bad-parameter',
    title: 'a wrong parameter of the repository list is rejected, and the error names it',
    sentence: 'A parameter is wrong; `detail.parameter` names it.',
    async run(probe) {
      await wantBadParameters(probe, PATH, {
        recursive: '?recursive=yes',
        detail: '?detail=1',
        n: '?n=-1',
        cursor: '?cursor=x',
      })
    },
  },
]

/** Pushes something to repositories below that of the case. */
async function pushTo(probe: Probe, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const repository = `${probe.repository}/${name}`
    wantStatus(await offerManifest(probe, await makeIndex([]), 'latest', repository), 201)
  }
}

function namesIn(body: JsonObject): readonly unknown[] {
  if (Array.isArray(body.repositories)) return body.repositories
  throw new Failure('a list in "repositories"', shown(body))
}

/**
 * An ETag that was answered with 304. Others may change the registry between two requests, or while it is read, and then an answer has no
 * ETag: it is tried again after a while.
 */
async function unchangedState(probe: Probe): Promise<string> {
  for (let count = 0; count < ATTEMPTS; count++) {
    const first = await ask(probe, PATH)
    wantStatus(first, 200)
    const etag = first.headers.get('etag')
    if (etag !== null) {
      const second = await ask(probe, PATH, { headers: { 'If-None-Match': etag } })
      if (second.status === 304) return etag
      wantStatus(second, 200)
      if (second.headers.get('etag') === etag) throw new Failure('status 304', '200 with the same ETag')
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  throw new Failure('status 304 for the ETag of a list', `another ETag or none, ${ATTEMPTS} times`)
}
