import { z } from 'zod'
import { AdminError, type AdminRequest } from '../http/admin-socket.ts'
import { MIN_UNUSED_MS } from '../registry/sweeper.ts'

const collectSchema = z.strictObject({
  tombstones: z.boolean(),
  unused: z.number().int().min(MIN_UNUSED_MS).optional(),
})

/** Reads a request to collect. @throws AdminError */
export function readCollectRequest({ body }: AdminRequest): { tombstones: boolean; unused?: number } {
  const { success, data } = collectSchema.safeParse(body)
  if (!success) throw new AdminError('the request is malformed: --unused must be 1h or more')
  return { tombstones: data.tombstones, ...(data.unused !== undefined && { unused: data.unused }) }
}

const jobSchema = z.strictObject({ job: z.string() })

/** Reads a request for the runs of a job. @returns its name @throws AdminError */
export function readJobRequest({ body }: AdminRequest, names: readonly string[]): string {
  const { success, data } = jobSchema.safeParse(body)
  if (!success) throw new AdminError('the request is malformed: job must be the name of a job')
  if (names.includes(data.job)) return data.job
  throw new AdminError(`there is no job ${JSON.stringify(data.job)}; the jobs are ${names.join(', ')}`)
}

const pinSchema = z.strictObject({ since: z.number().int().min(0).optional() })

/** Reads a request to pin bytes. @returns since when they are pinned @throws AdminError */
export function readPinRequest({ body }: AdminRequest): { since?: number | undefined } {
  const { success, data } = pinSchema.safeParse(body ?? {})
  if (success) return data
  throw new AdminError('the request is malformed: since must be a time in milliseconds')
}
