import { type ErrorId, RegistryError } from '../oci/error.ts'
import { TextError } from '../oci/text-error.ts'
import type { ParameterDescription } from './operation.ts'

/** A parameter of a query as it is described, and as it is read. */
export interface Parameter<T> extends ParameterDescription {
  /** The errors for an invalid value; only PARAMETER_INVALID if absent. */
  errors?: readonly ErrorId[]
  /** @throws TextError with the problem, which becomes PARAMETER_INVALID; or a RegistryError of {@link Parameter.errors} */
  parse(text: string): T
  /**
   * Chooses the values that count. If absent, a parameter that is not `repeated` is refused if it is given more than once, and one that is
   * `repeated` if it is given more than 100 times.
   *
   * @throws RegistryError of {@link Parameter.errors}
   */
  choose?(texts: readonly string[], name: string): readonly string[]
}

/** The parameters of an endpoint by name. */
export type Parameters = Readonly<Record<string, Parameter<unknown>>>

/** Each is compared with everything that a list examines. */
const MAX_REPEATED = 100

/** The value of a parameter: all values if it may be repeated, one if it is required, else one or undefined. */
type Value<P> = P extends { parse(text: string): infer T }
  ? P extends { repeated: true }
    ? T[]
    : P extends { required: true }
      ? T
      : T | undefined
  : never

/** The values of the parameters of a query. */
export type ParameterValues<P extends Parameters> = { [Name in keyof P]: Value<P[Name]> }

/**
 * Reads the parameters of a query; others are ignored.
 *
 * @param request its query is read only if there are parameters
 * @throws RegistryError PARAMETER_INVALID with the name of the invalid parameter, the reason and the position; or another error that the
 * parameter declares
 */
export type QueryReader<P extends Parameters> = (request: {
  readonly query: URLSearchParams
}) => ParameterValues<P>

/** Makes the reader of these parameters; of none if absent. */
export function queryReader<P extends Parameters>(parameters: P | undefined): QueryReader<P> {
  const entries = Object.entries(parameters ?? {})
  return (request) => {
    const values: Record<string, unknown> = {}
    for (const [name, parameter] of entries)
      values[name] = readParameter(request.query.getAll(name), name, parameter)
    return values as ParameterValues<P>
  }
}

function readParameter(texts: readonly string[], name: string, parameter: Parameter<unknown>): unknown {
  const choose = parameter.choose ?? (parameter.repeated ? atMostRepeated : onlyOne)
  const chosen = choose(texts, name)
  if (parameter.repeated) return chosen.map((text) => parse(text, name, parameter))
  const [text] = chosen
  if (text !== undefined) return parse(text, name, parameter)
  if (parameter.required) throw parameterError(name, 'is missing')
  return undefined
}

/** Refuses a parameter that is given more than 100 times. @throws RegistryError PARAMETER_INVALID */
export function atMostRepeated(texts: readonly string[], name: string): readonly string[] {
  if (texts.length <= MAX_REPEATED) return texts
  throw parameterError(name, `is given ${texts.length} times; the maximum is ${MAX_REPEATED}`)
}

function onlyOne(texts: readonly string[], name: string): readonly string[] {
  if (texts.length <= 1) return texts
  throw parameterError(name, 'is given more than once, but can be given only once')
}

function parse(text: string, name: string, parameter: Parameter<unknown>): unknown {
  try {
    return parameter.parse(text)
  } catch (error) {
    throw error instanceof TextError ? parameterError(name, error.message) : error
  }
}

/** The refusal of a parameter. @param problem follows its name */
export function parameterError(name: string, problem: string): RegistryError {
  return new RegistryError('PARAMETER_INVALID', {
    message: `"${name}" ${problem}`,
    details: [{ parameter: name }],
  })
}
