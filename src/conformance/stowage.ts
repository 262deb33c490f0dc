import { digestOf } from '../client/hasher.ts'
import { isObject } from '../client/request.ts'
import { needEndpoint } from './discovery.ts'
import type { ProbeAnswer } from './exchange.ts'
import { readPages } from './list.ts'
import { makeManifest, type ProbeManifest, pushManifest } from './manifest.ts'
import { Failure } from './outcome.ts'
import { type Probe, randomContent, requireHeader, requireJson, wantStatus } from './probe.ts'
import { pushBlob } from './upload.ts'

/** A JSON object as a registry sent it. */
export type JsonObject = Readonly<Record<string, unknown>>

/** A request to an endpoint of the namespace `_stowage`. */
export interface Asking {
  method?: 'GET' | 'HEAD' | 'POST' | 'DELETE'
  /** The query with its question mark. */
  query?: string
  headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  json?: object
  /** Whether to use the endpoint of the registry instead of a repository. */
  scope?: 'registry'
  /** Another repository than that of the case. */
  repository?: string
  /** See ProbeRequest. */
  until?: string
}

/** Throws NotSupported unless the case's repository, which must exist, offers an endpoint. */
export async function needStowage(probe: Probe, path: string): Promise<void> {
  await needEndpoint(probe, `/v2/${probe.repository}`, `_stowage/${path}`)
}

/** The path of an endpoint. */
export function stowageTarget(
  probe: Probe,
  path: string,
  { scope, repository = probe.repository, query = '' }: Pick<Asking, 'scope' | 'repository' | 'query'> = {},
): string {
  return `/v2/${scope === 'registry' ? '' : `${repository}/`}_stowage/${path}${query}`
}

/** Sends a request to an endpoint. Accepts any answer. @param path component and module, as `tags/history` */
export async function ask(probe: Probe, path: string, asking: Asking = {}): Promise<ProbeAnswer> {
  const { method = 'GET', headers = {}, json, until } = asking
  return await probe.send({
    method,
    target: stowageTarget(probe, path, asking),
    headers: { ...(json && { 'Content-Type': 'application/json' }), ...headers },
    ...(json && { body: new TextEncoder().encode(JSON.stringify(json)) }),
    ...(until !== undefined && { until }),
  })
}

/** Sends a request to an endpoint that must answer with a JSON object. */
export async function askForJson(probe: Probe, path: string, asking: Asking = {}): Promise<JsonObject> {
  return jsonOf(await ask(probe, path, asking))
}

/** The JSON object of an answer that must be a success. */
export function jsonOf(answer: ProbeAnswer): JsonObject {
  wantStatus(answer, 200)
  const body = requireJson(answer)
  if (!isObject(body)) throw new Failure('a JSON object', shown(body))
  return body
}

/** The objects in a list of an answer. */
export function entriesOf(body: JsonObject, field: string): JsonObject[] {
  const list = body[field]
  if (Array.isArray(list) && list.every(isObject)) return list
  throw new Failure(`a list of objects in "${field}"`, shown(body))
}

/** All entries of a list, found through its links. */
export async function listEntries(
  probe: Probe,
  path: string,
  { field, query = '' }: { field: string; query?: string },
): Promise<JsonObject[]> {
  const target = stowageTarget(probe, path, { query })
  const pages = await readPages(probe, target, (answer) => entriesOf(jsonOf(answer), field))
  return pages.flatMap(({ items }) => items)
}

/** Fails unless values are these, in this order. */
export function wantValues(found: readonly unknown[], wanted: readonly unknown[], what: string): void {
  if (JSON.stringify(found) === JSON.stringify(wanted)) return
  throw new Failure(`${what} ${wanted.join(', ') || 'none'}`, shown(found))
}

/** Fails unless a field of an entry has this value. */
export function wantField(entry: JsonObject | undefined, field: string, value: unknown): void {
  const found = entry?.[field]
  if (canonical(found) === canonical(value)) return
  throw new Failure(`"${field}" ${shown(value)}`, entry === undefined ? 'no such entry' : shown(found))
}

/** JSON with sorted fields, so that their order makes no difference. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort()) : inner,
  )
}

/** Fails unless a field of an entry is a time as RFC 3339 writes it. @returns milliseconds since the epoch */
export function wantTime(entry: JsonObject | undefined, field: string): number {
  const found = entry?.[field]
  const isTime = typeof found === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(found)
  if (!isTime) throw new Failure(`a time in "${field}"`, shown(entry))
  return Date.parse(found)
}

/** Fails unless a request was refused with an error body: with one of the statuses, and with an entry of this code if it is given. */
export function wantRefusal(answer: ProbeAnswer, status: number, code?: string): JsonObject {
  wantStatus(answer, status)
  const body = requireJson(answer)
  const [error] = isObject(body) ? entriesOf(body, 'errors') : []
  if (error === undefined || typeof error.message !== 'string') throw new Failure('an error', shown(body))
  if (code !== undefined && error.code !== code) throw new Failure(`the error ${code}`, shown(error))
  return error
}

/** Fails unless each of some queries is refused with 400 and the name of the invalid parameter. */
export async function wantBadParameters(
  probe: Probe,
  path: string,
  queries: Readonly<Record<string, string>>,
  scope?: 'registry',
): Promise<void> {
  for (const [parameter, query] of Object.entries(queries)) {
    const { detail } = wantRefusal(await ask(probe, path, { query, ...(scope && { scope }) }), 400)
    if (!isObject(detail) || detail.parameter !== parameter)
      throw new Failure(`a detail with the parameter ${parameter} for ${query}`, shown(detail))
  }
}

/** Fails unless a list keeps its ETag while nothing changes, returns it to HEAD, and answers 304 to a client that has it. @returns the ETag */
export async function wantState(probe: Probe, path: string, query = ''): Promise<string> {
  const listed = await ask(probe, path, { query })
  wantStatus(listed, 200)
  const etag = requireHeader(listed, 'ETag')
  if (!/^"[^"]*"$/.test(etag)) throw new Failure('a strong ETag', etag)
  const head = await ask(probe, path, { query, method: 'HEAD' })
  wantStatus(head, 200)
  const told = requireHeader(head, 'ETag')
  if (told !== etag) throw new Failure(`the ETag ${etag} to HEAD`, told)
  wantStatus(await ask(probe, path, { query, headers: { 'If-None-Match': etag } }), 304)
  return etag
}

/** Pushes an image whose config has labels and a platform, under a tag or its digest. */
export async function pushLabelled(
  probe: Probe,
  labels: Readonly<Record<string, string>>,
  { reference, architecture = 'amd64' }: { reference?: string; architecture?: string } = {},
): Promise<ProbeManifest> {
  const layer = randomContent(64)
  const config = new TextEncoder().encode(
    JSON.stringify({
      architecture,
      os: 'linux',
      config: { Labels: labels },
      rootfs: { type: 'layers', diff_ids: [await digestOf(layer)] },
    }),
  )
  const image = await makeManifest({
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: await pushBlob(probe, config),
      size: config.length,
    },
    layers: [
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        digest: await pushBlob(probe, layer),
        size: layer.length,
      },
    ],
  })
  await pushManifest(probe, image, reference)
  return image
}

/** A value as a message shows it. */
export function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 200)
}

/** Fails unless each of some bodies is refused with 400 and the name of the invalid field. */
export async function wantBadFields(
  probe: Probe,
  path: string,
  bodies: readonly (readonly [field: string, body: object])[],
): Promise<void> {
  for (const [field, json] of bodies) {
    const { detail } = wantRefusal(await ask(probe, path, { method: 'POST', json }), 400)
    if (!isObject(detail) || detail.field !== field)
      throw new Failure(`a detail with the field ${field} for ${shown(json)}`, shown(detail))
  }
}

/** The digests of the config and the first layer of an image manifest. */
export function partsOf({ bytes }: ProbeManifest): { config: string; layer: string } {
  const { config, layers } = JSON.parse(new TextDecoder().decode(bytes)) as {
    config: { digest: string }
    layers: readonly { digest: string }[]
  }
  return { config: config.digest, layer: layers[0]?.digest ?? '' }
}

/** Deletes the content at a path of the repository, such as `manifests/<digest>`. */
export async function deleteAt(probe: Probe, path: string): Promise<void> {
  wantStatus(await probe.send({ method: 'DELETE', target: `/v2/${probe.repository}/${path}` }), 202)
}
