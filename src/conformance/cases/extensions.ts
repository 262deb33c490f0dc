import { type Case, Failure, NotSupported } from '../case.ts'
import { isObject } from '../list.ts'
import { type Probe, randomContent, requireJson, wantStatus } from '../probe.ts'
import { pushBlob } from '../upload.ts'

const EXTENSION = {
  group: 'extensions',
  version: '1.1',
  section: '_oci Extension Endpoints, "Module: discover"',
  feature: 'extensions',
} as const

const NAME = /^_[a-z0-9]+(?:[._-][a-z0-9]+)*$/

interface Discovered {
  name: string
  endpoints: readonly unknown[]
}

/** Discovery of extensions: what the specification's own namespace says of all others. */
export const extensionCases: readonly Case[] = [
  {
    ...EXTENSION,
    id: 'extensions-discover',
    title: 'a registry tells its extensions, each with its name, its documentation and its endpoints',
    level: 'MUST',
    sentence: 'This property contains a list of supported extension endpoints.',
    readOnly: true,
    async run(probe) {
      await discover(probe, '/v2')
    },
  },
  {
    ...EXTENSION,
    id: 'extensions-discover-repository',
    title: 'a repository tells its extensions in the same form',
    level: 'MUST',
    sentence: 'Repository-level extensions may be discovered with a standard GET as follows.',
    async run(probe) {
      await pushBlob(probe, randomContent(32))
      await discover(probe, `/v2/${probe.repository}`)
    },
  },
  {
    ...EXTENSION,
    id: 'extensions-names',
    title: 'names of extensions begin with an underscore, as they stand in paths',
    level: 'MUST',
    sentence: "The name of the extension (i.e. '`_oci`') as it will appear in the URL path.",
    needs: ['extensions-discover'],
    readOnly: true,
    async run(probe) {
      const odd = (await discover(probe, '/v2')).find(({ name }) => !NAME.test(name))
      if (odd !== undefined) throw new Failure('names such as _oci', JSON.stringify(odd.name))
    },
  },
  {
    ...EXTENSION,
    id: 'extensions-endpoints',
    title: 'endpoints of an extension are paths below its name',
    level: 'SHOULD',
    sentence: 'Enumeration of the endpoints provided on this registry',
    needs: ['extensions-discover'],
    readOnly: true,
    async run(probe) {
      for (const { name, endpoints } of await discover(probe, '/v2')) {
        const odd = endpoints.find((path) => typeof path !== 'string' || !path.includes(`${name}/`))
        if (odd !== undefined) throw new Failure(`endpoints below ${name}/`, JSON.stringify(odd))
      }
    },
  },
]

/** What is offered at a level of the API. A registry need not have extensions. */
async function discover(probe: Probe, level: string): Promise<Discovered[]> {
  const answer = await probe.send({ method: 'GET', target: `${level}/_oci/ext/discover` })
  if ([400, 404, 405, 501].includes(answer.status)) throw new NotSupported(`status ${answer.status}`)
  wantStatus(answer, 200)
  const body = requireJson(answer)
  const found = isObject(body) ? body.extensions : undefined
  if (!Array.isArray(found)) throw new Failure('a list in "extensions"', JSON.stringify(body).slice(0, 200))
  return found.map(readExtension)
}

function readExtension(found: unknown): Discovered {
  const { name, url, endpoints } = isObject(found) ? found : {}
  if (typeof name === 'string' && typeof url === 'string' && Array.isArray(endpoints))
    return { name, endpoints }
  throw new Failure('extensions with "name", "url" and "endpoints"', JSON.stringify(found).slice(0, 200))
}
