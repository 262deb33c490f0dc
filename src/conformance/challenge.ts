/** What a registry asks of who isn't let in. */
export type Challenge =
  | { scheme: 'basic' }
  | { scheme: 'bearer'; realm: string; service?: string; scope?: string }

const PARAMETER = /([a-zA-Z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g

/** Reads `WWW-Authenticate`: the first of its challenges that can be met, a token before a password. */
export function parseChallenge(header: string): Challenge | undefined {
  const bearer = /(?:^|,)\s*bearer\s+/i.exec(header)
  if (bearer !== null) {
    const { realm, service, scope } = parametersOf(header.slice(bearer.index + bearer[0].length))
    if (realm !== undefined) {
      return { scheme: 'bearer', realm, ...(service !== undefined && { service }), ...(scope && { scope }) }
    }
  }
  return /(?:^|,)\s*basic(?:\s|$)/i.test(header) ? { scheme: 'basic' } : undefined
}

function parametersOf(text: string): Partial<Record<string, string>> {
  const found: Partial<Record<string, string>> = {}
  for (const [, name = '', quoted, bare] of text.matchAll(PARAMETER))
    found[name.toLowerCase()] ??= quoted?.replace(/\\(.)/g, '$1') ?? bare ?? ''
  return found
}
