import { Pool, type PoolClient } from 'pg'
import type { Command, Outcome, Stamped } from '../../../src/metadata/command.ts'
import type { PutManifest, PutManifestOutcome } from '../../../src/metadata/manifests.ts'
import type { PushStore } from '../../suites/metadata-place.ts'
import { deleteBlob, deleteManifest, deleteTag, openUpload, putBlob } from './commands.ts'
import { postgresqlReads } from './reads.ts'
import { lockRepository } from './repositories.ts'
import { SCHEMA } from './schema.ts'
import { Session } from './session.ts'

/** A design of `putManifest`, inside of a transaction that has the lock of the repository. */
export type Push = (session: Session, command: Stamped<PutManifest>) => Promise<PutManifestOutcome>

/** A store of the spike. It knows how many round trips its last commit took. */
export interface SpikeStore extends PushStore {
  readonly roundTrips: number
  close(): Promise<void>
}

/** Opens a store in a database of its own of a cluster. */
export async function openSpike(
  host: string,
  database: string,
  { push, clock }: { push: Push; clock: { now(): number } },
): Promise<SpikeStore> {
  const administration = new Pool({ host, user: 'stowage', database: 'postgres' })
  await administration.query(`CREATE DATABASE ${database}`)
  await administration.end()
  const pool = new Pool({ host, user: 'stowage', database, max: 8 })
  await pool.query(SCHEMA)
  let roundTrips = 0
  const commit = async (commands: readonly Command[]): Promise<Outcome[]> => {
    const client = await pool.connect()
    const session = new Session(client)
    const at = clock.now()
    try {
      return await transaction(client, session, async () => {
        const outcomes: Outcome[] = []
        for (const command of commands) outcomes.push(await apply(session, { ...command, at }, push))
        return outcomes
      })
    } finally {
      roundTrips = session.roundTrips
      client.release()
    }
  }
  return {
    ...postgresqlReads(pool),
    commit: (commands) => commit(commands) as Promise<never>,
    get roundTrips() {
      return roundTrips
    },
    close: () => pool.end(),
  }
}

async function transaction<T>(client: PoolClient, session: Session, work: () => Promise<T>): Promise<T> {
  await session.all('BEGIN')
  try {
    const done = await work()
    await session.all('COMMIT')
    return done
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

async function apply(session: Session, command: Stamped, push: Push): Promise<Outcome> {
  // An upload is locked by its own row.
  if (command.type === 'openUpload') return await openUpload(session, command)
  if ('repository' in command && command.repository) await lockRepository(session, command.repository)
  switch (command.type) {
    case 'putManifest':
      return await push(session, command)
    case 'deleteManifest':
      return await deleteManifest(session, command)
    case 'putBlob':
      return await putBlob(session, command)
    case 'deleteBlob':
      return await deleteBlob(session, command)
    case 'deleteTag':
      return await deleteTag(session, command)
    default:
      throw new Error(`the spike has no ${command.type}`)
  }
}
