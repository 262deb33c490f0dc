/**
 * Makes the `Link` header that leads to the next page of a list: a path without host, so that it holds behind any proxy.
 *
 * @param path of the list
 * @param parameters of the next page; those that are undefined are left out
 * @see RFC 8288; OCI Distribution Specification, "Listing Tags"
 */
export function formatNextLink(
  path: string,
  parameters: [name: string, value: string | undefined][],
): string {
  const query = parameters
    .filter((parameter): parameter is [string, string] => parameter[1] !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')
  return `<${path}?${query}>; rel="next"`
}
