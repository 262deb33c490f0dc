import { connectClients } from './clients.ts'
import { loadOf } from './loads.ts'
import type { LoadResult, Plan } from './plan.ts'

/**
 * The load generator, in a process of its own so that its processor time can be told from the bench's: a plan comes in, `ready` goes out when
 * all is connected, hashed and warm, the next
 * message starts the clock, one more ends the load early, and the result goes out.
 */
async function main(plan: Plan): Promise<LoadResult> {
  const { warmUp, ...options } = loadOf(plan)
  const clients = await connectClients(options, warmUp)
  process.send?.('ready')
  await new Promise((resolve) => process.once('message', resolve))
  process.once('message', () => clients.stop())
  return await clients.run()
}

process.once('message', (plan: Plan) => {
  main(plan).then(
    (result) => process.send?.(result, () => process.exit(0)),
    (error: Error) => process.send?.({ error: error.message }, () => process.exit(1)),
  )
})
process.once('disconnect', () => process.exit(1))
