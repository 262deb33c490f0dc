import { TokenError } from '../client/error.ts'
import type { Send } from './probe.ts'
import { problemOf } from './problem.ts'

/** The given text is not an address of a registry, or no registry answers there. The message has one line. */
export class RegistryAddressError extends Error {
  override readonly name = 'RegistryAddressError'
}

/**
 * Reads the address of a registry: a URL, or host and port, which mean http on this machine and https elsewhere.
 *
 * @returns scheme, host and port
 */
export function parseRegistryAddress(text: string): string {
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
  const url = URL.parse(hasScheme ? text : `https://${text}`)
  if (url === null || url.hostname === '')
    throw new RegistryAddressError(`${JSON.stringify(text)} is not the address of a registry`)
  if (!hasScheme && isLoopback(url.hostname)) return parseRegistryAddress(`http://${text}`)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new RegistryAddressError(
      `the URL of a registry must begin with http or https, not ${url.protocol.slice(0, -1)}`,
    )
  if (url.username !== '' || url.password !== '')
    throw new RegistryAddressError('the URL must not contain credentials; use --user and --password-stdin')
  if (!['/', '/v2', '/v2/'].includes(url.pathname) || url.search !== '' || url.hash !== '')
    throw new RegistryAddressError(`the URL must not have a path or query; use ${url.origin}`)
  return url.origin
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname)
}

/**
 * Throws unless a registry answers there that accepts these credentials.
 *
 * @param needsRight false if the registry may refuse this request and still allow reads, as public registries do
 */
export async function assertRegistry(origin: string, send: Send, { needsRight = true } = {}): Promise<void> {
  const answer = await send({ method: 'GET', target: '/v2/' }).catch((error: Error) => {
    if (!needsRight && error.cause instanceof TokenError) return undefined
    throw new RegistryAddressError(`${origin} cannot be tested: ${problemOf(error)}`)
  })
  if (answer === undefined || (answer.status === 401 && !needsRight)) return
  if (answer.status === 401) throw new RegistryAddressError(`${origin} requires other credentials (401)`)
  if (answer.status !== 200)
    throw new RegistryAddressError(`${origin} is not a registry: GET /v2/ returned ${answer.status}`)
}
