import { isObject } from '../client/request.ts'
import { Failure, NotSupported } from './outcome.ts'
import { type Probe, requireJson, wantStatus } from './probe.ts'

/** An extension as a registry lists it. */
export interface Discovered {
  name: string
  endpoints: readonly unknown[]
}

/**
 * The extensions at a level of the API: `/v2`, or `/v2/<name>`.
 *
 * @throws NotSupported if there is no list, since a registry need not have extensions
 */
export async function discover(probe: Probe, level: string): Promise<Discovered[]> {
  const answer = await probe.send({ method: 'GET', target: `${level}/_oci/ext/discover` })
  if ([400, 404, 405, 501].includes(answer.status)) throw new NotSupported(`status ${answer.status}`)
  wantStatus(answer, 200)
  const body = requireJson(answer)
  const found = isObject(body) ? body.extensions : undefined
  if (!Array.isArray(found)) throw new Failure('a list in "extensions"', JSON.stringify(body).slice(0, 200))
  return found.map(readExtension)
}

/** Throws NotSupported unless an endpoint is offered at a level of the API. @param path as `_stowage/tags/history` */
export async function needEndpoint(probe: Probe, level: string, path: string): Promise<void> {
  const offered = (await discover(probe, level)).flatMap(({ endpoints }) => endpoints)
  if (!offered.includes(path)) throw new NotSupported(`${path} is not among the extensions`)
}

function readExtension(found: unknown): Discovered {
  const { name, url, endpoints } = isObject(found) ? found : {}
  if (typeof name === 'string' && typeof url === 'string' && Array.isArray(endpoints))
    return { name, endpoints }
  throw new Failure('extensions with "name", "url" and "endpoints"', JSON.stringify(found).slice(0, 200))
}
