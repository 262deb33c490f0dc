import assert from 'node:assert/strict'
import { test } from 'node:test'
import { extensionCases } from '../../src/conformance/cases/extensions/discovery.ts'
import { stowageCases } from '../../src/conformance/cases/extensions/stowage.ts'
import { runCases } from '../../src/conformance/run.ts'
import { type Fault, NO_ORIGIN, openFaulty, sendTo } from './faulty-registry.ts'
import { json, type KnownBad, testCases } from './known-bad.ts'

interface Described {
  name: string
  endpoints: string[]
}

/** Tells its extensions otherwise, at one level. */
function describing(which: string, change: (extension: Described) => object): Fault {
  return json(which, ({ extensions, ...body }) =>
    Array.isArray(extensions) ? { extensions: extensions.map(change) } : body,
  )
}

const TABLE: readonly KnownBad[] = [
  {
    id: 'extensions-discover',
    does: 'tells no endpoints of its extensions',
    fault: describing('GET registryExtension', ({ endpoints: _, ...rest }) => rest),
  },
  {
    id: 'extensions-discover',
    does: 'tells its extensions as a list without a name',
    fault: json('GET registryExtension', ({ extensions }) => extensions),
  },
  {
    id: 'extensions-discover-repository',
    does: 'tells the extensions of a repository as names',
    fault: json('GET repositoryExtension', () => ({ extensions: ['_oci'] })),
  },
  {
    id: 'extensions-names',
    does: 'leaves out the underscore of an extension',
    fault: describing('GET registryExtension', (extension) => ({
      ...extension,
      name: extension.name.slice(1),
    })),
  },
  {
    id: 'extensions-endpoints',
    does: 'tells endpoints that are not below their extension',
    fault: describing('GET registryExtension', (extension) => ({
      ...extension,
      endpoints: ['ext/discover'],
    })),
  },
  {
    id: 'extensions-answered',
    does: 'tells an endpoint that is not there',
    fault: describing('GET registryExtension', (extension) => ({
      ...extension,
      endpoints: [...extension.endpoints, `${extension.name}/nothing/list`],
    })),
  },
  {
    id: 'extensions-answered',
    does: 'tells an endpoint that its repositories do not have',
    fault: describing('GET repositoryExtension', (extension) => ({
      ...extension,
      endpoints: [...extension.endpoints, `${extension.name}/nothing/list`],
    })),
  },
]

testCases('extensions', extensionCases, TABLE)

test('a registry that lists none of our endpoints fails none of their cases: they are not supported', async (t) => {
  const silent = json(
    (request) => request.path.endsWith('/_oci/ext/discover'),
    (body) => ({ extensions: (body.extensions as Described[]).filter(({ name }) => name === '_oci') }),
  )
  const send = sendTo(await openFaulty(t, silent))
  const options = { repository: 'test', concurrency: 8, origin: NO_ORIGIN, send }
  const results = await runCases(stowageCases, options)
  assert.ok(results.length > 90)
  const others = results.filter(({ verdict }) => verdict !== 'unsupported')
  assert.deepEqual(
    others.map((result) => `${result.case.id} ${result.verdict}`),
    [],
  )
})
