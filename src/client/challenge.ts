import { QUOTED, scan, TOKEN, unescapeQuoted } from '../oci/field-value.ts'

/** How a registry asks a client to authenticate. */
export type Challenge =
  | { scheme: 'basic' }
  | { scheme: 'bearer'; realm: string; service?: string; scope?: string }

const BETWEEN = /[ \t,]+/y
/** A bare value is a token, but some registries leave the quotes of a URL out. */
const PARAMETER = new RegExp(`(${TOKEN})[ \\t]*=[ \\t]*(?:${QUOTED}|([^\\s,"]+))`, 'y')
const SCHEME = new RegExp(`(${TOKEN})(?:[ \\t]+[A-Za-z0-9._~+/-]+=*(?=[ \\t]*(?:,|$)))?`, 'y')

interface AnyChallenge {
  scheme: string
  parameters: Map<string, string>
}

/**
 * Reads `WWW-Authenticate`: the first of its challenges that can be answered, a token before a password.
 *
 * @see RFC 9110, section 11.6.1
 */
export function parseChallenge(header: string): Challenge | undefined {
  const challenges = challengesOf(header)
  for (const { scheme, parameters } of challenges) {
    const realm = parameters.get('realm')
    if (scheme !== 'bearer' || realm === undefined) continue
    const [service, scope] = [parameters.get('service'), parameters.get('scope')]
    return { scheme, realm, ...(service !== undefined && { service }), ...(scope && { scope }) }
  }
  return challenges.some(({ scheme }) => scheme === 'basic') ? { scheme: 'basic' } : undefined
}

/** All challenges up to where the header is malformed; each has the parameters up to the next. */
function challengesOf(header: string): AnyChallenge[] {
  const challenges: AnyChallenge[] = []
  const scanner = scan(header)
  for (;;) {
    scanner.take(BETWEEN)
    const [, name, quoted, bare] = scanner.take(PARAMETER) ?? []
    if (name !== undefined) {
      const parameters = challenges.at(-1)?.parameters
      const key = name.toLowerCase()
      if (!parameters?.has(key))
        parameters?.set(key, quoted === undefined ? (bare ?? '') : unescapeQuoted(quoted))
      continue
    }
    const scheme = scanner.take(SCHEME)?.[1]
    if (scheme === undefined) return challenges
    challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() })
  }
}
