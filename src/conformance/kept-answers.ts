import type { Exchange } from './exchange.ts'

/** How many bytes of responses are kept for the report of a run, in all. */
const MAX_KEPT = 128 * 1024 * 1024
/** How much of a response is kept beyond that: as much as is shown, and more. */
const MAX_BEYOND = 64 * 1024

/**
 * What a run keeps of the exchanges of cases that did not pass, until its report is written: the body of the last response of each, since
 * a report shows no other, and of that only the beginning once many have been kept.
 */
export class KeptAnswers {
  #left = MAX_KEPT

  /** What of some exchanges is kept; requests and headers are. */
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
