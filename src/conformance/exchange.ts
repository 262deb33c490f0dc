/** A request as a case makes it. */
export interface ProbeRequest {
  method: string
  /** Path and query, or an absolute URL as a registry gave it. */
  target: string
  headers?: Readonly<Record<string, string>>
  body?: Uint8Array
  /** Sends the body with `Transfer-Encoding: chunked` and no length. */
  streamed?: boolean
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

/** The `curl` that repeats a request; bodies of over 200 bytes are left to a file. */
export function formatCurl({ method, url, headers = {}, body }: Exchange['request']): string {
  const parts = ['curl', '-i', '--path-as-is', ...(method === 'HEAD' ? ['--head'] : ['-X', method])]
  for (const [name, value] of Object.entries(headers)) parts.push('-H', quote(`${name}: ${value}`))
  if (body !== undefined) parts.push('--data-binary', body.length > 200 ? '@body' : quote(textOf(body)))
  return [...parts, quote(url)].join(' ')
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** A body as text for people: cut, and never with control characters. */
export function textOf(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, MAX_SHOWN_BODY))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a registry sends must not reach a terminal as it is
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd')
}
