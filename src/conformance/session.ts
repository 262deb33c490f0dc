import { readBody } from '../client/body.ts'
import { DestinationError } from '../client/error.ts'
import { openSession as openClientSession, type SessionOptions } from '../client/session.ts'
import { Undecided } from './outcome.ts'
import type { Send } from './probe.ts'
import { problemOf } from './problem.ts'

const MAX_BODY = 32 * 1024 * 1024

/**
 * Sends requests to the tested registry as {@link openClientSession} does, and reads each answer completely. Rejects with Undecided and a
 * message of one line if there is no complete answer.
 */
export function openSession(origin: string, options: SessionOptions = {}): Send {
  const send = openClientSession(origin, options)
  return async ({ until, ...request }) => {
    try {
      const { url: _, ...answer } = await send(request, (response) => readBody(response, MAX_BODY, until))
      return answer
    } catch (error) {
      throw new Undecided(lineOf(error), { cause: error })
    }
  }
}

function lineOf(error: unknown): string {
  if (!(error instanceof DestinationError) || error.unlisted === undefined) return problemOf(error)
  const { origin, host } = error.unlisted
  return `the registry leads to ${origin}, where requests are sent only with --allow-host ${host}`
}
