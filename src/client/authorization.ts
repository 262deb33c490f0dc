import { type Challenge, parseChallenge } from './challenge.ts'
import { DestinationError, TokenError } from './error.ts'

/** A user name and its password. */
export interface Credentials {
  user: string
  password: string
}

/** Requests one URL. Authorization is dropped if a redirect leaves its host. */
export type Get = (url: string, authorization?: string) => Promise<{ status: number; body: Uint8Array }>

/** How a session authenticates to a registry. */
export interface Authorization {
  /** The header that was accepted for a request like this before. */
  known(kind: string): Promise<string | undefined>
  /** Answers a challenge. @returns the header, or undefined if there are no credentials for it */
  meet(kind: string, header: string): Promise<string | undefined>
}

interface Token {
  header: string
  /** Milliseconds since 1970. */
  expires: number
}

/** How long a token without a lifetime is valid. */
const DEFAULT_LIFETIME = 60
const MAX_LIFETIME = 3600
/** How many challenges and tokens are kept. A registry may name a different scope for each request. */
const MAX_KEPT = 1000

/**
 * Answers challenges of one registry with a password or with tokens, which are kept for each scope. Credentials are sent only to the
 * registry's own token endpoint and to those that use https.
 */
export function openAuthorization(
  origin: string,
  get: Get,
  { credentials, onSecret = () => {} }: { credentials?: Credentials; onSecret?(secret: string): void },
): Authorization {
  const challenges = new Map<string, Challenge>()
  const tokens = new Map<string, Promise<Token>>()
  const basic = credentials && `Basic ${encodeBase64(`${credentials.user}:${credentials.password}`)}`
  if (credentials !== undefined && basic !== undefined) {
    onSecret(credentials.password)
    onSecret(basic.slice('Basic '.length))
  }
  const show = async (challenge: Challenge, isFresh: boolean): Promise<string | undefined> => {
    if (challenge.scheme === 'basic') return basic
    const url = tokenUrl(origin, challenge, credentials?.user)
    const kept = isFresh ? undefined : await tokens.get(url)
    if (kept !== undefined && kept.expires > Date.now()) return kept.header
    const asked = askForToken(url, { get, onSecret, ...(basic !== undefined && { basic }) })
    keep(tokens, url, asked)
    asked.catch(() => tokens.delete(url))
    return (await asked).header
  }
  return {
    async known(kind) {
      const challenge = challenges.get(kind)
      return challenge && (await show(challenge, false))
    },
    async meet(kind, header) {
      const challenge = parseChallenge(header)
      if (challenge === undefined) return undefined
      const isRefused = JSON.stringify(challenges.get(kind)) === JSON.stringify(challenge)
      keep(challenges, kind, challenge)
      return await show(challenge, isRefused)
    },
  }
}

/** Keeps a value, and drops the oldest one if there are too many. */
function keep<T>(kept: Map<string, T>, key: string, value: T): void {
  kept.delete(key)
  kept.set(key, value)
  const [oldest] = kept.keys()
  if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest)
}

/** The URL from which a token is requested. Its own query is kept. Throws if credentials must not be sent there. */
function tokenUrl(
  origin: string,
  { realm, service, scope }: Challenge & { scheme: 'bearer' },
  user: string | undefined,
): string {
  const url = URL.parse(realm)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new TokenError('the challenge does not name an http or https token endpoint')
  if (user !== undefined && url.protocol !== 'https:' && url.origin !== origin)
    throw new DestinationError(
      `the token endpoint ${url.origin} is neither on the host of the registry nor uses https, so no credentials are sent to it`,
    )
  url.username = ''
  url.password = ''
  if (service !== undefined) url.searchParams.set('service', service)
  if (scope !== undefined) url.searchParams.set('scope', scope)
  if (user !== undefined) url.searchParams.set('account', user)
  return url.href
}

async function askForToken(
  url: string,
  { get, basic, onSecret }: { get: Get; basic?: string; onSecret(secret: string): void },
): Promise<Token> {
  const { status, body } = await get(url, basic)
  const { origin, pathname } = new URL(url)
  if (status !== 200) throw new TokenError(`the token endpoint ${origin}${pathname} returned ${status}`)
  const { token, lifetime } = readToken(body)
  // It becomes a header, so only the characters of a token are allowed.
  if (token === undefined || !/^[\x21-\x7e]{1,16384}$/.test(token))
    throw new TokenError(`the token endpoint ${origin}${pathname} did not return a token`)
  onSecret(token)
  return { header: `Bearer ${token}`, expires: Date.now() + lifetime * 900 }
}

function readToken(body: Uint8Array): { token: string | undefined; lifetime: number } {
  const value = parseObject(new TextDecoder().decode(body))
  const token = [value.token, value.access_token].find((each) => typeof each === 'string' && each !== '')
  const seconds = typeof value.expires_in === 'number' ? value.expires_in : DEFAULT_LIFETIME
  return { token: token as string | undefined, lifetime: Math.min(Math.max(seconds, 0), MAX_LIFETIME) }
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function encodeBase64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}
