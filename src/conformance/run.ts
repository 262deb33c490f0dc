import { urlOf } from '../client/session.ts'
import { parseRepositoryName, type RepositoryName } from '../oci/reference.ts'
import type { Case } from './case.ts'
import type { Exchange, ProbeRequest } from './exchange.ts'
import { KeptAnswers } from './kept-answers.ts'
import { Failure, NotSupported, Undecided } from './outcome.ts'
import type { Existing, Probe, Send } from './probe.ts'
import { answerOf, rawExchange } from './raw-request.ts'
import type { SendRaw } from './transport.ts'

/** The expected and the actual result. */
export interface Difference {
  wanted: string
  got: string
}

/** The outcome of a case. */
export type Verdict =
  | { verdict: 'passed' }
  /** A MUST is a failure of the registry, a SHOULD a warning. */
  | ({ verdict: 'failed' | 'warned'; message: string; exchanges: readonly Exchange[] } & Partial<Difference>)
  /** The network failed, or a request would have gone to a forbidden destination. This says nothing about the registry. */
  | { verdict: 'undecided'; message: string; exchanges: readonly Exchange[] }
  | { verdict: 'unsupported'; message: string }
  /** Not run, since a case that it needs failed before: the id of that case. */
  | { verdict: 'skipped'; because: string }

/** A case with its verdict. */
export type Result = Verdict & { case: Case; milliseconds: number }

/** How cases are run. */
export interface RunOptions {
  origin: string
  send: Send
  /** Without it, cases that need more than fetch are not supported. */
  sendRaw?: SendRaw
  /** Each case gets its own repository, whose name begins with this. */
  repository: string
  /** How many cases run at once. */
  concurrency: number
  /** Existing content. If it is given, all cases read in its repository. */
  existing?: Existing
  /** Once aborted, no more cases are started. Running cases finish and clean up. */
  signal?: AbortSignal
  /** How long a case may continue to delete what it pushed, in milliseconds; a minute if absent. */
  longestCleanUp?: number
  onResult?(result: Result): void
  /** Called with repositories of this run that may exist now, possibly more than once. */
  onRepository?(name: RepositoryName): void
  /** Called with content that could not be deleted afterwards. */
  onLeftBehind?(request: ProbeRequest): void
}

/** Runs cases, each once those that it needs have passed. @returns results in the order of the cases */
export async function runCases(cases: readonly Case[], options: RunOptions): Promise<Result[]> {
  const known = new Map<string, Promise<Result>>()
  const slots = new Slots(options.concurrency)
  const answers = new KeptAnswers()
  const start = (each: Case): Promise<Result> => {
    const found = known.get(each.id)
    if (found !== undefined) return found
    const result = runAfterNeeds(each)
    known.set(each.id, result)
    return result
  }
  const runAfterNeeds = async (each: Case): Promise<Result> => {
    const needed = await Promise.all(cases.filter(({ id }) => each.needs?.includes(id)).map(start))
    const missing = needed.find(({ verdict }) => verdict !== 'passed')
    const result =
      missing === undefined
        ? await slots.run(() => runCase(each, options, answers))
        : { ...verdictWithout(missing), case: each, milliseconds: 0 }
    options.onResult?.(result)
    return result
  }
  return await Promise.all(cases.map(start))
}

/** The outcome of a case if one that it needs did not pass. */
function verdictWithout(missing: Result): Verdict {
  if (missing.verdict === 'unsupported') return { verdict: 'unsupported', message: missing.message }
  return {
    verdict: 'skipped',
    because: missing.verdict === 'skipped' ? missing.because : missing.case.id,
  }
}

/** Runs a limited number at once, the others in their order. */
class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#free--
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}

/** How long a case may continue to send requests, since a registry may lead it from one slow answer to the next. */
const LONGEST_CASE_MS = 300_000
/** How long it may then continue to delete what it pushed. */
const LONGEST_CLEAN_UP_MS = 60_000
/** The total number of bytes of all answers to a case. */
const MAX_ANSWERS = 128 * 1024 * 1024

async function runCase(each: Case, options: RunOptions, answers: KeptAnswers): Promise<Result> {
  if (options.signal?.aborted)
    return { verdict: 'skipped', because: 'interruption', case: each, milliseconds: 0 }
  const started = performance.now()
  const exchanges: Exchange[] = []
  const afterwards = new Map<string, ProbeRequest>()
  const probe: Probe = {
    origin: options.origin,
    repository: options.existing?.repository ?? `${options.repository}-${each.id}`,
    otherRepository: `${options.repository}-${each.id}-other`,
    ...(options.existing && { existing: options.existing }),
    exchanges,
    async send(request) {
      if (performance.now() - started > LONGEST_CASE_MS)
        throw new Undecided(`it has taken more than ${LONGEST_CASE_MS / 60_000} minutes`)
      const answer = await sendAndKeep(options, request, exchanges)
      if (sizeOf(exchanges) > MAX_ANSWERS)
        throw new Undecided(`the responses are larger than ${MAX_ANSWERS / 1024 / 1024} MiB in total`)
      return answer
    },
    sendRaw: (bytes, how) => sendRawAndKeep(options, { bytes, how, exchanges }),
    cleanUp(request) {
      const key = `${request.method} ${request.target}`
      // The first push is deleted last, since later pushes may need it.
      if (!afterwards.has(key)) afterwards.set(key, request)
    },
  }
  const verdict = await judge(each, probe)
  await takeAway([...afterwards.values()].reverse(), options)
  const kept = 'exchanges' in verdict && { exchanges: answers.keep(verdict.exchanges) }
  return { ...verdict, ...kept, case: each, milliseconds: performance.now() - started }
}

function sizeOf(exchanges: readonly Exchange[]): number {
  return exchanges.reduce((sum, { answer }) => sum + (answer?.body.length ?? 0), 0)
}

/** Deletes what a case has pushed, for a bounded time. */
async function takeAway(
  requests: readonly ProbeRequest[],
  { send, onLeftBehind, longestCleanUp = LONGEST_CLEAN_UP_MS }: RunOptions,
): Promise<void> {
  const deadline = performance.now() + longestCleanUp
  for (const request of requests) {
    const isGone = performance.now() < deadline && (await remove(request, send))
    if (!isGone) onLeftBehind?.(request)
  }
}

/** @returns whether it is gone; content that no longer exists, or never could, counts as deleted */
async function remove(request: ProbeRequest, send: Send): Promise<boolean> {
  const status = await send(request).then(
    (answer) => answer.status,
    () => 0,
  )
  return [400, 404].includes(status) || (status >= 200 && status <= 299)
}

async function sendAndKeep(options: RunOptions, request: ProbeRequest, exchanges: Exchange[]) {
  const exchange: Exchange = { request: { ...request, url: urlOf(request.target, options.origin) } }
  exchanges.push(exchange)
  noteRepository(exchange.request, options)
  try {
    exchange.answer = await options.send(request)
    return exchange.answer
  } catch (error) {
    if (error instanceof NotSupported) throw error
    exchange.problem = (error as Error).message
    throw error instanceof Undecided ? error : new Undecided(exchange.problem, { cause: error })
  }
}

interface Raw {
  bytes: string
  how: { end?: boolean } | undefined
  exchanges: Exchange[]
}

async function sendRawAndKeep({ origin, sendRaw, ...options }: RunOptions, { bytes, how, exchanges }: Raw) {
  if (sendRaw === undefined) throw new NotSupported('there are no connections of their own here')
  const exchange = rawExchange(origin, bytes)
  exchanges.push(exchange)
  noteRepository(exchange.request, options)
  try {
    const answer = await sendRaw(bytes, how)
    Object.assign(exchange, answerOf(answer))
    return answer
  } catch (error) {
    exchange.problem = (error as Error).message
    throw error
  }
}

/** Reports a repository of this run that a request may create. */
function noteRepository(
  { method, url }: Exchange['request'],
  { repository, existing, onRepository }: Pick<RunOptions, 'repository' | 'existing' | 'onRepository'>,
): void {
  if (existing !== undefined || onRepository === undefined || method === 'GET' || method === 'HEAD') return
  const [, path = ''] =
    /^\/v2\/(.+?)\/(?:blobs|manifests|tags|_[a-z]+)\//.exec(URL.parse(url)?.pathname ?? '') ?? []
  const name = parseRepositoryName(path.replaceAll(/%2f/gi, '/'))
  if (name?.startsWith(repository)) onRepository(name)
}

async function judge(each: Case, probe: Probe): Promise<Verdict> {
  try {
    await each.run(probe)
    return { verdict: 'passed' }
  } catch (error) {
    if (error instanceof NotSupported) return { verdict: 'unsupported', message: error.message }
    const { message } = error as Error
    const { exchanges } = probe
    if (error instanceof Undecided) return { verdict: 'undecided', message, exchanges }
    const verdict = each.level === 'MUST' ? 'failed' : 'warned'
    const difference = error instanceof Failure && { wanted: error.wanted, got: error.got }
    return { verdict, message, ...difference, exchanges }
  }
}
