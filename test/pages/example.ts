import assert from 'node:assert/strict'

/** A request of a page with the answer that the page promises. */
export interface Example {
  /** Where it stands: `<page>:<line>`. */
  where: string
  method: string
  target: string
  headers: Readonly<Record<string, string>>
  body: string
  answer: Promised
}

/** An answer as a page shows it: `…` stands for any text in a string, and as the last entry of an array for any more entries. */
export interface Promised {
  status: number
  /** Those that the page names; others may come as well. */
  headers: Readonly<Record<string, string>>
  body: string
}

/** What earlier answers of a page gave to later requests. */
export interface Memory {
  digests: Set<string>
  etag?: string
  cursor?: string
}

const BLOCK = /^```http\n([\s\S]*?)^```$/gm
const ANSWER = /^HTTP\/1\.1 (\d{3})(?: .*)?$/m

/** Reads the examples of a page: blocks of `http`, each a request and behind it the answer, as both look on the wire. */
export function readExamples(page: string, text: string): Example[] {
  return [...text.matchAll(BLOCK)].map((match) => {
    const where = `${page}:${text.slice(0, match.index).split('\n').length}`
    return readExample(where, match[1] ?? '')
  })
}

function readExample(where: string, block: string): Example {
  const found = ANSWER.exec(block)
  assert.ok(found !== null, `${where} shows no answer`)
  const request = block.slice(0, found.index)
  const line = /^(\S+) (\S+) HTTP\/1\.1\n/.exec(request)
  assert.ok(line !== null, `${where} shows no request`)
  const [whole = '', method = '', target = ''] = line
  return {
    where,
    method,
    target,
    ...readMessage(request.slice(whole.length)),
    answer: { status: Number(found[1]), ...readMessage(block.slice(found.index + found[0].length + 1)) },
  }
}

function readMessage(text: string): { headers: Record<string, string>; body: string } {
  const lines = text.split('\n')
  const blank = lines.indexOf('')
  const head = blank === -1 ? lines : lines.slice(0, blank)
  const headers = head.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
  })
  return {
    headers: Object.fromEntries(headers),
    body: blank === -1 ? '' : lines.slice(blank).join('\n').trim(),
  }
}

/**
 * Sends a request of a page. What it abbreviates by `…` is taken from what was answered before. A status that the page shows at its end is
 * asked for until then.
 */
export async function sendExample(url: string, example: Example, memory: Memory): Promise<Response> {
  for (let tries = 0; ; tries++) {
    const answer = await sendOnce(url, example, memory)
    if (tries > 1000 || !example.answer.body.includes('"state": "deleted"')) return answer
    if ((await answer.clone().text()).includes('"state":"deleted"')) return answer
  }
}

async function sendOnce(url: string, example: Example, memory: Memory): Promise<Response> {
  const complete = (text: string) => completeText(text, memory, example.where)
  const headers = Object.entries(example.headers).map(([name, value]) => [name, complete(value)])
  const answer = await fetch(`${url}${complete(example.target)}`, {
    method: example.method,
    headers: Object.fromEntries(headers),
    redirect: 'manual',
    ...(example.body !== '' && { body: complete(example.body) }),
  })
  memory.etag = answer.headers.get('etag') ?? memory.etag ?? ''
  memory.cursor = /[?&]cursor=([^&>]+)/.exec(answer.headers.get('link') ?? '')?.[1] ?? memory.cursor ?? ''
  return answer
}

function completeText(text: string, { digests, etag = '', cursor = '' }: Memory, where: string): string {
  return text
    .replace(/cursor=…/, `cursor=${cursor}`)
    .replace(/"state:…"/, etag)
    .replace(/[a-z0-9]+:[0-9a-f]+…/g, (short) => {
      const found = [...digests].filter((digest) => digest.startsWith(short.slice(0, -1)))
      assert.equal(found.length, 1, `${where} means ${found.length} digests by ${short}`)
      return found[0] ?? ''
    })
}

/** Fails unless an answer is what a page promises. */
export async function assertPromised({ where, method, answer }: Example, given: Response): Promise<void> {
  const isStream = given.headers.get('content-type') === 'text/event-stream' && method !== 'HEAD'
  const text = isStream ? await readEvents(given, answer.body) : await given.text()
  assert.equal(given.status, answer.status, `${where}: ${text.slice(0, 1000)}`)
  for (const [name, value] of Object.entries(answer.headers)) {
    const found = given.headers.get(name) ?? ''
    assert.ok(isOfText(value, found), `${where} promises ${name}: ${value}, and it is ${found}`)
  }
  if (answer.body === '') return assert.equal(text, '', where)
  if (isStream || !isJson(given)) return assert.ok(isOfText(answer.body, text.trim()), `${where}: ${text}`)
  const differing = difference(JSON.parse(answer.body), JSON.parse(text), '')
  assert.equal(differing, undefined, `${where}: ${differing}\n${JSON.stringify(JSON.parse(text), null, 2)}`)
}

function isJson(given: Response): boolean {
  return /[/+]json$/.test(given.headers.get('content-type') ?? '')
}

/** As many events as the page shows, without what clients pass over. */
async function readEvents(given: Response, promised: string): Promise<string> {
  const count = promised.split('\n\n').length
  let text = ''
  for await (const chunk of given.body ?? []) {
    text += Buffer.from(chunk)
    const events = text.split('\n\n').slice(0, -1)
    const shown = events.filter((event) => !event.startsWith(':'))
    if (shown.length >= count) return shown.slice(0, count).join('\n\n')
  }
  return text
}

/** Where JSON is not what a page promises; undefined if it is. */
function difference(promised: unknown, found: unknown, path: string): string | undefined {
  if (typeof promised === 'string' && typeof found === 'string') {
    return isOfText(promised, found) ? undefined : `${path} is ${JSON.stringify(found)}`
  }
  if (Array.isArray(promised) && Array.isArray(found)) return arrayDifference(promised, found, path)
  if (!isObject(promised) || !isObject(found)) {
    return promised === found ? undefined : `${path} is ${JSON.stringify(found)}`
  }
  const names = [...new Set([...Object.keys(promised), ...Object.keys(found)])]
  const lone = names.find((name) => !(name in promised) || !(name in found))
  if (lone !== undefined) return `${path}.${lone} is ${lone in found ? 'not shown' : 'missing'}`
  return firstOf(names, (name) => difference(promised[name], found[name], `${path}.${name}`))
}

function arrayDifference(promised: unknown[], found: unknown[], path: string): string | undefined {
  const isOpen = promised.at(-1) === '…'
  const shown = isOpen ? promised.slice(0, -1) : promised
  if (isOpen ? found.length < shown.length : found.length !== shown.length)
    return `${path} has ${found.length} entries`
  return firstOf([...shown.keys()], (index) => difference(shown[index], found[index], `${path}[${index}]`))
}

function firstOf<T>(items: readonly T[], what: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = what(item)
    if (found !== undefined) return found
  }
  return undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isOfText(promised: string, found: string): boolean {
  const literal = promised.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${literal.join('[\\s\\S]*')}$`).test(found)
}
