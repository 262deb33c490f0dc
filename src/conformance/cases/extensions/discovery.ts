import { isObject } from '../../../client/request.ts'
import type { Case } from '../../case.ts'
import { discover } from '../../discovery.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, randomContent, requireJson } from '../../probe.ts'
import { entriesOf } from '../../stowage.ts'
import { pushBlob } from '../../upload.ts'

const EXTENSION = {
  group: 'extensions',
  version: '1.1',
  section: '_oci Extension Endpoints, "Module: discover"',
  feature: 'extensions',
} as const

/** What an endpoint answers that is there, and knows nothing of what it was asked for. */
const OF_CONTENT = ['NAME_UNKNOWN', 'MANIFEST_UNKNOWN', 'BLOB_UNKNOWN']

const NAME = /^_[a-z0-9]+(?:[._-][a-z0-9]+)*$/

/** Discovery of extensions: what the specification's own namespace says of all others. */
export const extensionCases: readonly Case[] = [
  {
    ...EXTENSION,
    id: 'extensions-discover',
    title: 'a registry lists its extensions, each with its name, documentation and endpoints',
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
    title: 'a repository lists its extensions in the same form',
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
    title: 'names of extensions begin with an underscore, as in paths',
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
  {
    ...EXTENSION,
    id: 'extensions-answered',
    title: 'the endpoints that a registry and a repository list exist',
    level: 'SHOULD',
    sentence: 'Enumeration of the endpoints provided on this registry',
    needs: ['extensions-discover-repository', 'extensions-names', 'extensions-endpoints'],
    async run(probe) {
      await pushBlob(probe, randomContent(32))
      for (const level of ['/v2', `/v2/${probe.repository}`]) {
        for (const { name, endpoints } of await discover(probe, level)) {
          for (const path of endpoints) await wantAnswered(probe, `${level}/${pathBelow(name, String(path))}`)
        }
      }
    },
  },
]

/** An endpoint's path without what some write before the name of the extension. */
function pathBelow(name: string, path: string): string {
  return path.slice(path.indexOf(`${name}/`))
}

/** Fails if nothing is at a path, whatever it wants to be asked for; paths with a variable are passed over. */
async function wantAnswered(probe: Probe, target: string): Promise<void> {
  if (/[<{]/.test(target)) return
  const { status } = await probe.send({ method: 'HEAD', target })
  if (status !== 404 && status !== 501) return
  const answer = await probe.send({ method: 'GET', target })
  const body = answer.status === 404 ? requireJson(answer) : undefined
  const [error] = isObject(body) ? entriesOf(body, 'errors') : []
  if (!OF_CONTENT.includes(String(error?.code)))
    throw new Failure(`something at ${target}`, `${answer.status} ${error?.code ?? ''}`)
}
