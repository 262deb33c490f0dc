const MAX_LENGTH = 255
const SEGMENT = /^[A-Za-z0-9._~-]+$/

/**
 * Reads the path before `/v2/` of a registry that is published below a path, such as `/registry`.
 *
 * @param text with or without a slash at its end; empty, or `/`, for none
 * @returns without a slash at its end, empty for none; undefined if the text is not a path of plain segments that is possible there. The
 * first segment can't be `v2`, since it would be ambiguous whether a proxy has removed it
 */
export function parsePathPrefix(text: string): string | undefined {
  const path = text.endsWith('/') ? text.slice(0, -1) : text
  if (path === '') return path
  if (path.length > MAX_LENGTH || !path.startsWith('/')) return undefined
  const segments = path.slice(1).split('/')
  const isPlain = segments.every((segment) => SEGMENT.test(segment) && segment !== '.' && segment !== '..')
  return isPlain && segments[0] !== 'v2' ? path : undefined
}

/** A request's path without the prefix, whether a proxy has removed that or not. */
export function removePathPrefix(path: string, prefix: string): string {
  return prefix !== '' && path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : path
}
