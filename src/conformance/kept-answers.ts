import type { Exchange } from './exchange.ts'

/** How many bytes of responses are kept for the report of a run, in all. */
const MAX_KEPT = 128 * 1024 * 1024
/** How much of a response is kept after that limit: more than is shown. */
const MAX_BEYOND = 64 * 1024

/**
 * Reduces the exchanges of cases that did not pass, which a run keeps until its report is written. It keeps only the body of the last
 * response of each case, since a report shows no other, and only its beginning once many have been kept.
 */
export class KeptAnswers {
  #left = MAX_KEPT

  /** The part of some exchanges that is kept, which includes requests and headers. */
  keep(exchanges: readonly Exchange[]): Exchange[] {
    return exchanges.map((exchange, index) =>
      cut(exchange, index === exchanges.length - 1 ? this.#allow(exchange) : 0),
    )
  }

  #allow({ answer }: Exchange): number {
    const size = answer?.body.length ?? 0
    if (size > this.#left) return MAX_BEYOND
    this.#left -= size
    return size
  }
}

function cut(exchange: Exchange, size: number): Exchange {
  const { answer } = exchange
  if (answer === undefined || answer.body.length <= size) return exchange
  return { ...exchange, answer: { ...answer, body: answer.body.slice(0, size), size: answer.body.length } }
}
