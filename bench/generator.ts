import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { LoadResult, Plan } from './load/plan.ts'

const PROGRAM = new URL('./load/main.ts', import.meta.url)
type Message = 'ready' | LoadResult | { error: string }

/** A load generator that is warm and waits for its start. */
export interface ReadyLoad {
  run(): Promise<LoadResult>
}

/** A load that can be ended before its time. */
export interface StoppableLoad extends ReadyLoad {
  /** Ends it wherever it is; {@link ReadyLoad.run} then resolves. */
  stop(): void
}

/** Starts a load generator in a process of its own and waits until it is ready. */
export async function prepareLoad(plan: Plan): Promise<StoppableLoad> {
  const child = fork(PROGRAM, [], { execArgv: ['--disable-warning=ExperimentalWarning'] })
  const next = async (): Promise<Message> => {
    const ended = once(child, 'exit').then(() => ({ error: 'the load generator ended' }))
    return await Promise.race([once(child, 'message').then(([message]) => message as Message), ended])
  }
  child.send(plan)
  const ready = await next()
  if (ready !== 'ready') throw new Error('error' in ready ? ready.error : 'the load generator is not ready')
  return {
    stop: () => void child.send('stop'),
    async run() {
      child.send('go')
      const result = await next()
      if (result === 'ready' || 'error' in result) {
        throw new Error(result === 'ready' ? 'the load generator did nothing' : result.error)
      }
      return result
    },
  }
}
