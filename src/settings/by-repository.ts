import { parseRepositoryGlob } from '../oci/glob.ts'
import { TextError } from '../oci/text-error.ts'
import { type Form, InvalidValue } from './form.ts'

/** The values of a setting that can differ by repository. Plain data, so that it can be sent to other threads. */
export interface ByRepository<T> {
  /** The first rule whose pattern matches the name of the repository is used. */
  rules: readonly { pattern: string; value: T }[]
  /** The value for repositories that no pattern matches. */
  otherwise: T
}

/** Each of them may be compared with a name, so their number is bounded. */
const MAX_RULES = 100

/**
 * A setting that can differ by repository: `<pattern>=<value>`, separated by commas, and at the end a value for all other repositories.
 *
 * @param form of a value; its text cannot contain a comma
 * @param byDefault the text of the value for all other repositories, if none is given
 */
export function byRepository<T>(form: Form<T>, byDefault: string): Form<ByRepository<T>> {
  const item = { anyOf: [form.schema, { type: 'string', pattern: '=' }] }
  return {
    ...form,
    unit: `${form.unit}, [by repository](configuration.md#settings-by-repository)`,
    schema: { anyOf: [...item.anyOf, { type: 'array', items: item }] },
    isList: true,
    parse(text) {
      const items = text.split(',').map((part) => part.trim())
      const plain = items.findIndex((part) => !part.includes('='))
      if (plain !== -1 && plain < items.length - 1) throw new InvalidValue(misplaced(items[plain] ?? ''))
      const otherwise = plain === -1 ? byDefault : (items.pop() ?? byDefault)
      if (items.length > MAX_RULES) throw new InvalidValue(`can have at most ${MAX_RULES} patterns`)
      return { rules: items.map((part) => parseRule(form, part)), otherwise: form.parse(otherwise) }
    },
  }
}

function misplaced(item: string): string {
  return `has ${JSON.stringify(item)}, which is for all other repositories and must be last; to make it a rule, write <pattern>=<value>`
}

function parseRule<T>(form: Form<T>, item: string): { pattern: string; value: T } {
  const end = item.indexOf('=')
  const pattern = item.slice(0, end).trim()
  try {
    parseRepositoryGlob(pattern)
    return { pattern, value: form.parse(item.slice(end + 1).trim()) }
  } catch (error) {
    const quoted = JSON.stringify(item)
    if (error instanceof TextError) throw new InvalidValue(`has ${quoted}, whose pattern ${error.message}`)
    if (error instanceof InvalidValue) throw new InvalidValue(`has ${quoted}, whose value ${error.message}`)
    throw error
  }
}

/** @returns a function that finds the value for a repository */
export function repositoryValues<T>({ rules, otherwise }: ByRepository<T>): (repository: string) => T {
  const matchers = rules.map(({ pattern, value }) => ({ matches: parseRepositoryGlob(pattern), value }))
  return (repository) => {
    const rule = matchers.find(({ matches }) => matches(repository))
    return rule === undefined ? otherwise : rule.value
  }
}
