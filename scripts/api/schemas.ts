import { type JsonSchema, SCHEMAS } from '../../src/api/schema.ts'
import { extensionSchemas } from './endpoints.ts'

const PREFIX = '#/components/schemas/'

/** The form of each answer of an extension as a JSON Schema of its own, with all that it refers to inside; by file name. */
export function makeSchemas(): Readonly<Record<string, JsonSchema>> {
  const own = Object.keys(extensionSchemas())
  return Object.fromEntries(own.map((name) => [`${name}.json`, standalone(name)]))
}

function standalone(name: string): JsonSchema {
  const all: Readonly<Record<string, JsonSchema>> = { ...SCHEMAS, ...extensionSchemas() }
  const found = new Set<string>()
  const follow = (schema: JsonSchema | undefined) => {
    for (const reference of referencesIn(schema).filter((one) => !found.has(one))) {
      found.add(reference)
      follow(all[reference])
    }
  }
  follow(all[name])
  const definitions = [...found].sort().map((one) => [one, inside(all[one])])
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: name,
    ...inside(all[name]),
    ...(found.size > 0 && { $defs: Object.fromEntries(definitions) }),
  }
}

function referencesIn(schema: JsonSchema | undefined): string[] {
  const references = JSON.stringify(schema).matchAll(new RegExp(`"${PREFIX}([A-Za-z]+)"`, 'g'))
  return [...references].map((match) => match[1] ?? '')
}

function inside(schema: JsonSchema | undefined): JsonSchema {
  return JSON.parse(JSON.stringify(schema).replaceAll(PREFIX, '#/$defs/'))
}
