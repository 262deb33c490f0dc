const MAX_LENGTH = 2048

/** RFC 3986 has no other characters; a name of another protocol has its hash where a host would be. */
const FORM = /^([a-z][a-z0-9+.-]{0,63}):\/\/([^/?#\s]+)[/?#]?[\w\-.~:/?#[\]@!$&'()*+,;=%]*$/i
const AUTHORITY = /^[\w\-.~:[\]!$&'()*+,;=%]+$/

/** What leads into the client's own machine rather than to content. */
const OWN_MACHINE = ['file', 'unix', 'npipe']

/**
 * Whether a client may be told of a URL that somebody wrote into a manifest: absolute, `<protocol>://<host or hash>…`, without a user or
 * password, and not too long. Whether there is anything behind it nobody here knows.
 */
export function isLocationUrl(text: unknown): text is string {
  if (typeof text !== 'string' || text.length > MAX_LENGTH) return false
  const [, scheme = '', authority = ''] = FORM.exec(text) ?? []
  return AUTHORITY.test(authority) && !OWN_MACHINE.includes(scheme.toLowerCase())
}
