import { isCredential } from '../client/session.ts'
import { parseNextLink } from '../oci/link.ts'
import type { Exchange, ProbeAnswer } from './exchange.ts'
import { decodeText, printable } from './printable.ts'
import type { Hider } from './secret.ts'
import { formatPrintf, quote } from './shell.ts'

/** How requests are repeated. */
export interface RepetitionOptions {
  origin: string
  hider: Hider
  /** Whether requests were sent by HTTP/2 if the registry offered it. */
  http2?: boolean
  /** Whether NODE_EXTRA_CA_CERTS names additional trusted authorities. */
  hasOwnAuthorities?: boolean
  /** The file for the body of a request; without it, long bodies can't be repeated. @param index of the request in its case */
  bodyFile?(index: number): string
}

/** Lines of a shell that repeat the last of some requests, and files that they need. */
export interface Repetition {
  lines: readonly string[]
  files: readonly { path: string; bytes: Uint8Array }[]
}

/** A URL from one answer to which a later request was sent. */
interface Capture {
  from: number
  header: 'location' | 'link'
  /** The text from the answer, as an absolute URL. */
  url: URL
  /** The part of the URL before the text from the answer; empty if that text was absolute. */
  lead: string
}

const MAX_TEXT = 1_000
const MAX_ENCODED = 4_096
const MAX_LINES = 30
/** A time in a query, as RFC 3339 writes it. */
const TIME = /[?&=]\d{4}-\d\d-\d\dT\d\d(?::|%3a)/i

/**
 * How to repeat the last request of a case with curl. Earlier pushes are repeated, and URLs that the registry chose are taken from its new
 * answers. Such a URL is only requested at the origin that it had in the run: no answer of a registry can lead a pasted line elsewhere, or
 * be run by the shell.
 */
export function repetitionOf(exchanges: readonly Exchange[], options: RepetitionOptions): Repetition {
  const captures = exchanges.map((_, index) => captureOf(exchanges, index))
  const needed = neededOf(exchanges, captures)
  const hasTime = needed.some((index) => TIME.test(exchanges[index]?.request.url ?? ''))
  if (hasTime) return { lines: ['# it asks for a time of the run: that can not be repeated'], files: [] }
  const files = new Map<string, Uint8Array>()
  const lines: string[] = exchanges.some(({ answer }) => answer?.isAuthorized)
    ? [`: "\${AUTHORIZATION:?set it to what lets you in, such as 'Basic …' or 'Bearer …'}"`]
    : []
  for (const index of needed) {
    const exchange = exchanges[index]
    if (exchange === undefined) continue
    const input = inputOf(exchange, index, { ...options, files })
    if (input === undefined) return { lines: [needsEvidence(exchange)], files: [] }
    const wanted = captures.find((capture, at) => capture?.from === index && needed.includes(at))
    const isLast = index === exchanges.length - 1
    const line =
      exchange.request.raw === undefined
        ? lineOf(exchange, { capture: captures[index], wanted, isLast, input }, options)
        : `${input.before}${rawClient(options.origin)}`
    lines.push(wanted === undefined ? line : assignmentOf(wanted, line))
  }
  if (lines.length > MAX_LINES && options.bodyFile === undefined)
    return {
      lines: [`# ${needed.length} requests repeat it: give --evidence <folder> and they are written there`],
      files: [],
    }
  return { lines, files: [...files].map(([path, bytes]) => ({ path, bytes })) }
}

function needsEvidence({ request: { body, raw } }: Exchange): string {
  return `# a body of ${body?.length ?? raw?.length ?? 0} bytes belongs to it: give --evidence <folder> and it is written there, with all that repeats this`
}

/** Indexes of the requests that changed something, of those whose answers contain the URL of a later one, and of the last. */
function neededOf(exchanges: readonly Exchange[], captures: readonly (Capture | undefined)[]): number[] {
  const needed = new Set<number>()
  for (let index = exchanges.length - 1; index >= 0; index--) {
    const { request, answer } = exchanges[index] ?? {}
    const isReading = request?.method === 'GET' || request?.method === 'HEAD'
    const isRefused = answer === undefined || answer.status >= 400
    const isLast = index === exchanges.length - 1
    if (isLast || (!isReading && !isRefused)) needed.add(index)
    const from = captures[index]?.from
    if (needed.has(index) && from !== undefined) needed.add(from)
  }
  return [...needed].sort((one, other) => one - other)
}

/** The earlier answer from which a request took its URL: the latest one that contains it or a prefix of it. */
function captureOf(exchanges: readonly Exchange[], index: number): Capture | undefined {
  const request = exchanges[index]?.request
  if (request === undefined || request.raw !== undefined) return undefined
  for (let from = index - 1; from >= 0; from--) {
    const { answer, request: earlier } = exchanges[from] ?? {}
    if (answer === undefined || earlier === undefined) continue
    for (const header of ['location', 'link'] as const) {
      const text = namedIn(answer, header)
      const url = text === undefined ? null : URL.parse(text, earlier.url)
      const lead = text === undefined || url === null ? undefined : leadOf(url, text)
      if (url === null || lead === undefined) continue
      const rest = request.url.startsWith(url.href) ? request.url.slice(url.href.length) : 'none'
      if (/^(?:$|[?&])/.test(rest)) return { from, header, url, lead }
    }
  }
  return undefined
}

/** The part before a text in the URL to which it resolves. @returns undefined if that is unknown, or is shorter than an origin */
function leadOf({ href, origin }: URL, text: string): string | undefined {
  if (/^https?:\/\//i.test(text)) return href.startsWith(`${origin}/`) ? '' : undefined
  const lead = href.slice(0, -text.length)
  return href.endsWith(text) && (text.startsWith('/') ? lead === origin : lead.startsWith(`${origin}/`))
    ? lead
    : undefined
}

function namedIn({ headers }: ProbeAnswer, header: Capture['header']): string | undefined {
  const text = headers.get(header) ?? undefined
  return text === undefined || header === 'location' ? text : parseNextLink(text)
}

function variableOf({ from, header }: Capture): string {
  return `${header}${from + 1}`
}

/** A line that keeps the value of a header; for `Link`, the text between the angle brackets. */
function assignmentOf(capture: Capture, line: string): string {
  const name = variableOf(capture)
  const trimmed = `; ${name}=\${${name}#*<}; ${name}=\${${name}%%>*}`
  return `${name}=$(${line})${capture.header === 'link' ? trimmed : ''}`
}

/** The lines before the command, and its arguments for the body. */
interface Input {
  before: string
  args: readonly string[]
}

/** How the body, or all bytes, are passed to a command. @returns undefined if they are too long and may not be written */
function inputOf(
  { request: { body, raw } }: Exchange,
  index: number,
  { hider, bodyFile, files }: RepetitionOptions & { files: Map<string, Uint8Array> },
): Input | undefined {
  const bytes = raw === undefined ? body : Uint8Array.from(raw, (character) => character.charCodeAt(0))
  if (bytes === undefined) return { before: '', args: [] }
  // The connection stays open for the answer.
  if (raw !== undefined && bytes.length <= MAX_ENCODED)
    return { before: `(printf ${formatPrintf(raw)}; sleep 2) | `, args: [] }
  const text = raw === undefined && bytes.length <= MAX_TEXT ? decodeText(bytes) : undefined
  if (text !== undefined && isPlain(text) && hider.hide(text) === text)
    return { before: '', args: ['--data-binary', quote(text)] }
  const path = bodyFile?.(index)
  if (path !== undefined) {
    files.set(path, bytes)
    if (raw !== undefined) return { before: `(cat ${quote(path)}; sleep 2) | `, args: [] }
    return { before: '', args: ['--data-binary', quote(`@${path}`)] }
  }
  if (bytes.length > MAX_ENCODED) return undefined
  const encoded = btoa(String.fromCharCode(...bytes))
  return { before: `printf %s ${quote(encoded)} | base64 -d | `, args: ['--data-binary', '@-'] }
}

/** Whether text fits in one line, and curl would not interpret it as a file name. */
function isPlain(text: string): boolean {
  return printable(text) === text && !/[\n\t]/.test(text) && !text.startsWith('@')
}

interface LineParts {
  capture: Capture | undefined
  wanted: Capture | undefined
  isLast: boolean
  input: Input
}

function lineOf(
  { request, answer }: Exchange,
  { capture, wanted, isLast, input }: LineParts,
  { hider, origin, http2, hasOwnAuthorities }: RepetitionOptions,
): string {
  const { method, url } = (isLast ? answer?.redirected : undefined) ?? request
  const show = (text: string) => quote(printable(hider.hide(text)).replaceAll(/\s/g, ' '))
  const isSecure = origin.startsWith('https:')
  const parts = [
    ...['curl', '-sS', '-g', '--path-as-is'],
    ...(isSecure ? [http2 ? '--http2' : '--http1.1'] : []),
    ...(isSecure && hasOwnAuthorities ? ['--cacert', '"$NODE_EXTRA_CA_CERTS"'] : []),
    ...(isLast ? ['-i'] : ['-o', '/dev/null']),
    ...(wanted === undefined ? [] : ['-w', quote(`%header{${wanted.header}}`)]),
    ...(request.until === undefined ? [] : ['-N', '-m', '10']),
    ...(method === 'HEAD' ? ['--head'] : ['-X', show(method)]),
    ...headersOf({ request, answer }).flatMap((header) => ['-H', show(header)]),
    ...(answer?.isAuthorized ? ['-H', '"Authorization: $AUTHORIZATION"'] : []),
    ...input.args,
    capture === undefined || answer?.redirected !== undefined ? show(url) : capturedUrl(capture, url, show),
  ]
  return input.before + parts.join(' ')
}

/** The headers for curl: those of the case, and those in which curl would differ from fetch. */
function headersOf({
  request,
  answer,
}: {
  request: Exchange['request']
  answer: ProbeAnswer | undefined
}): string[] {
  const { method, headers = {}, body, streamed } = request
  const names = Object.keys(headers).map((name) => name.toLowerCase())
  const own = Object.entries(headers).filter(
    ([name]) => !isCredential(name) && (body === undefined || name.toLowerCase() !== 'content-length'),
  )
  const hasBody = body !== undefined && answer?.redirected === undefined
  const lacksLength = !hasBody && ['POST', 'PUT'].includes(method) && !names.includes('content-length')
  return [
    ...own.map(([name, value]) => `${name}: ${value}`),
    ...(hasBody && !names.includes('content-type') ? ['Content-Type:'] : []),
    ...(hasBody && streamed ? ['Transfer-Encoding: chunked'] : []),
    // Curl would wait for `100 Continue`.
    ...(hasBody ? ['Expect:'] : []),
    ...(lacksLength ? ['Content-Length: 0'] : []),
  ]
}

/** A URL from an earlier answer, at the origin that it had, with the text that the request added to it. */
function capturedUrl(capture: Capture, url: string, show: (text: string) => string): string {
  const { lead, url: named } = capture
  const name = variableOf(capture)
  const rest = url.slice(named.href.length)
  // Any value is a path of this origin: text after the slash can't be a part of the host.
  const start = lead === '' || lead === named.origin ? `${named.origin}/` : lead
  const prefix = lead === '' ? `${named.origin}/` : '/'
  // The shell treats the brackets of IPv6 as a pattern unless they are quoted.
  return `"${start}\${${name}#"${prefix}"}"${rest === '' ? '' : show(rest)}`
}

function rawClient(origin: string): string {
  const { protocol, hostname, port } = new URL(origin)
  if (protocol === 'http:') return `curl -sS -m 15 ${quote(`telnet://${hostname}:${port || 80}`)}`
  const where = ['-connect', quote(`${hostname}:${port || 443}`), '-servername', quote(hostname)]
  return ['openssl', 's_client', '-quiet', ...where].join(' ')
}
