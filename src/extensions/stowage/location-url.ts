const MAX_LENGTH = 2048

/** RFC 3986 allows no other characters. Names of some protocols have a hash in place of a host. */
const FORM = /^([a-z][a-z0-9+.-]{0,63}):\/\/([^/?#\s]+)[/?#]?[\w\-.~:/?#[\]@!$&'()*+,;=%]*$/i
const AUTHORITY = /^[\w\-.~:[\]!$&'()*+,;=%]+$/

/** Schemes that lead into the client's own machine rather than to content. */
const OWN_MACHINE = ['file', 'unix', 'npipe']

/**
 * Whether a URL from a manifest may be returned to a client: it must be absolute, `<protocol>://<host or hash>…`, without a user or
 * password, and not too long. This does not check whether the URL leads to anything.
 */
export function isLocationUrl(text: unknown): text is string {
  if (typeof text !== 'string' || text.length > MAX_LENGTH) return false
  const [, scheme = '', authority = ''] = FORM.exec(text) ?? []
  return AUTHORITY.test(authority) && !OWN_MACHINE.includes(scheme.toLowerCase())
}
