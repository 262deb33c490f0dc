import type { ReceivedRequest } from '../api/endpoint.ts'
import type { JsonSchema } from '../api/schema.ts'
import { RegistryError } from '../oci/error.ts'
import { parseJson } from '../oci/json.ts'
import { parseMediaType } from '../oci/media-type.ts'
import { TextError } from '../oci/text-error.ts'

const MAX_BYTES = 64 * 1024
const MAX_SHOWN = 100

/** A field of a JSON body: its description and its parser. */
export interface BodyField<T> {
  schema: JsonSchema
  required?: true
  /** @throws TextError with the problem */
  parse(value: unknown): T
}

/** The fields of a body by name. */
export type BodyFields = Readonly<Record<string, BodyField<unknown>>>

type Value<F> = F extends { parse(value: unknown): infer T }
  ? F extends { required: true }
    ? T
    : T | undefined
  : never

/** The values of the fields of a body. */
export type BodyValues<F extends BodyFields> = { [Name in keyof F]: Value<F[Name]> }

/**
 * Reads a request's body: one JSON object of at most 64 KiB that has no other fields than these.
 *
 * @throws RegistryError BODY_TYPE_UNSUPPORTED, BODY_TOO_LARGE, or BODY_INVALID with the problem and the field that has it
 */
export async function readBody<F extends BodyFields>(
  request: Pick<ReceivedRequest, 'header' | 'body'>,
  fields: F,
): Promise<BodyValues<F>> {
  refuseOtherTypes(request.header('content-type'))
  const object = parseObject(await readBytes(request))
  const unknown = Object.keys(object).find((name) => !Object.hasOwn(fields, name))
  if (unknown !== undefined) {
    const names = Object.keys(fields).join(', ')
    throw bodyError(
      `body has the unknown field ${JSON.stringify(unknown.slice(0, MAX_SHOWN))}; known fields are ${names}`,
    )
  }
  const values = Object.entries(fields).map(([name, field]) => [name, readField(object[name], name, field)])
  return Object.fromEntries(values) as BodyValues<F>
}

/** The form of a body as JSON Schema. */
export function bodySchema(description: string, fields: BodyFields): JsonSchema {
  const names = Object.keys(fields)
  return {
    type: 'object',
    description,
    required: names.filter((name) => fields[name]?.required),
    additionalProperties: false,
    properties: Object.fromEntries(names.map((name) => [name, fields[name]?.schema])),
  }
}

function refuseOtherTypes(header: string | undefined): void {
  const type = parseMediaType(header ?? '')?.toLowerCase()
  if (type === 'application/json' || type?.endsWith('+json')) return
  throw new RegistryError('BODY_TYPE_UNSUPPORTED')
}

async function readBytes(request: Pick<ReceivedRequest, 'header' | 'body'>): Promise<Uint8Array> {
  if (Number(request.header('content-length') ?? 0) > MAX_BYTES) throw new RegistryError('BODY_TOO_LARGE')
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body) {
    size += chunk.length
    if (size > MAX_BYTES) throw new RegistryError('BODY_TOO_LARGE')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value = parseJson(bytes)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch (error) {
    throw error instanceof TextError ? bodyError(`body ${error.message}`) : error
  }
  throw bodyError('body is not a JSON object')
}

function readField(value: unknown, name: string, field: BodyField<unknown>): unknown {
  if (value === undefined) {
    if (field.required) throw bodyError(`body is missing the field "${name}"`, name)
    return undefined
  }
  try {
    return field.parse(value)
  } catch (error) {
    throw error instanceof TextError ? bodyError(`the field "${name}" ${error.message}`, name) : error
  }
}

/** The refusal of a body. */
function bodyError(message: string, field?: string): RegistryError {
  return new RegistryError('BODY_INVALID', { message, details: field === undefined ? [] : [{ field }] })
}
