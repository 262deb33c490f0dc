import { type Case, Failure } from '../case.ts'
import { discover } from '../discovery.ts'
import { randomContent } from '../probe.ts'
import { pushBlob } from '../upload.ts'

const EXTENSION = {
  group: 'extensions',
  version: '1.1',
  section: '_oci Extension Endpoints, "Module: discover"',
  feature: 'extensions',
} as const

const NAME = /^_[a-z0-9]+(?:[._-][a-z0-9]+)*$/

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
