import type { Parameter } from '../api/operation.ts'
import { RegistryError } from '../oci/error.ts'
import { TextError } from '../oci/text-error.ts'

/** A parameter of a query as it is described, and as it is read. */
export interface QueryParameter<T> extends Parameter {
  /** @throws TextError saying what is wrong */
  parse(text: string): T
}

/** The parameters of an endpoint by name: the `query` of its operation, too. */
export type QueryParameters = Readonly<Record<string, QueryParameter<unknown>>>

/** Each is held against all that a list looks at. */
const MAX_REPEATED = 100

/** What a parameter gives: all values if it may be repeated, one if it is required, else one or undefined. */
type Value<P> = P extends { parse(text: string): infer T }
  ? P extends { repeated: true }
    ? T[]
    : P extends { required: true }
      ? T
      : T | undefined
  : never

/** What the parameters of a query give. */
export type QueryValues<P extends QueryParameters> = { [Name in keyof P]: Value<P[Name]> }

/**
 * Reads the parameters of a query; others are ignored.
 *
 * @throws RegistryError PARAMETER_INVALID saying which one is wrong, why, and where
 */
export function readQuery<P extends QueryParameters>(query: URLSearchParams, parameters: P): QueryValues<P> {
  const values = Object.entries(parameters).map(([name, parameter]) => [
    name,
    readParameter(query.getAll(name), name, parameter),
  ])
  return Object.fromEntries(values) as QueryValues<P>
}

function readParameter(texts: readonly string[], name: string, parameter: QueryParameter<unknown>): unknown {
  const [text] = texts
  if (parameter.repeated && texts.length > MAX_REPEATED)
    throw parameterError(name, `is given ${texts.length} times; the maximum is ${MAX_REPEATED}`)
  if (parameter.repeated) return texts.map((one) => parse(one, name, parameter))
  if (texts.length > 1) throw parameterError(name, 'is given more than once, but can be given only once')
  if (text !== undefined) return parse(text, name, parameter)
  if (parameter.required) throw parameterError(name, 'is missing')
  return undefined
}

function parse(text: string, name: string, parameter: QueryParameter<unknown>): unknown {
  try {
    return parameter.parse(text)
  } catch (error) {
    throw error instanceof TextError ? parameterError(name, error.message) : error
  }
}

/** The refusal of a parameter. @param problem goes on behind its name */
export function parameterError(name: string, problem: string): RegistryError {
  return new RegistryError('PARAMETER_INVALID', {
    message: `"${name}" ${problem}`,
    details: [{ parameter: name }],
  })
}
