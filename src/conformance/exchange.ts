/** A request as a case makes it. */
export interface ProbeRequest {
  method: string
  /** Path and query, or an absolute URL as a registry gave it. */
  target: string
  headers?: Readonly<Record<string, string>>
  body?: Uint8Array
  /** Sends the body with `Transfer-Encoding: chunked` and no length. */
  streamed?: boolean
  /** Ends the reading of the answer once this text is in its body: for answers without an end. */
  until?: string
}

/** An answer, read whole up to a bound. */
export interface ProbeAnswer {
  status: number
  headers: Headers
  body: Uint8Array
}

/** What was sent and what came. */
export interface Exchange {
  request: ProbeRequest & { url: string }
  answer?: ProbeAnswer
  /** Why there is no answer. */
  problem?: string
}

const MAX_SHOWN_BODY = 2_000
const MAX_CURL_BODY = 200

/** The `curl` that repeats a request, without credentials; bodies that are long or no text are left to a file. */
export function formatCurl({ method, url, headers = {}, body, streamed }: Exchange['request']): string {
  const parts = ['curl', '-i', '--path-as-is', ...(method === 'HEAD' ? ['--head'] : ['-X', method])]
  for (const [name, value] of Object.entries(headers)) {
    if (!isCredential(name)) parts.push('-H', quote(`${name}: ${value}`))
  }
  if (streamed) parts.push('-H', quote('Transfer-Encoding: chunked'))
  if (body !== undefined) {
    const isShort = body.length <= MAX_CURL_BODY && decode(body) !== undefined
    parts.push('--data-binary', isShort ? quote(textOf(body)) : '@body')
  }
  return [...parts, quote(url)].join(' ')
}

/** Whether a header of this name lets somebody in. */
export function isCredential(name: string): boolean {
  return ['authorization', 'proxy-authorization', 'cookie', 'set-cookie'].includes(name.toLowerCase())
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** A body as text for people: cut, and never with control characters. */
export function textOf(body: Uint8Array): string {
  const text = decode(body.subarray(0, MAX_SHOWN_BODY))
  if (text === undefined) return `(${body.length} bytes that are no text)`
  const rest = body.length > MAX_SHOWN_BODY ? ` … (${body.length} bytes in all)` : ''
  return printable(text) + rest
}

/** The text of bytes; its last character may be cut. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
  } catch {
    return undefined
  }
}

/** Text with a mark in place of each character that would do something to a terminal, or turn the order of others around. */
export function printable(text: string): string {
  return text.toWellFormed().replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a registry sends must not reach a terminal as it is
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]/g,
    '\ufffd',
  )
}
