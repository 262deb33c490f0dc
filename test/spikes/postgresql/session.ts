import type { PoolClient } from 'pg'

/** A row as PostgreSQL gives it. */
export type Row = Record<string, unknown>

/** A connection inside of a transaction. It counts how often it asked the server and waited for the answer. */
export class Session {
  readonly #client: PoolClient
  roundTrips = 0

  constructor(client: PoolClient) {
    this.#client = client
  }

  /** Runs one statement, prepared on the connection by its text. */
  async all(sql: string, ...values: unknown[]): Promise<Row[]> {
    this.roundTrips++
    const result = await this.#client.query(
      values.length === 0 ? sql : { name: nameOf(sql), text: sql, values },
    )
    return result.rows
  }

  async get(sql: string, ...values: unknown[]): Promise<Row | undefined> {
    return (await this.all(sql, ...values))[0]
  }
}

const names = new Map<string, string>()

function nameOf(sql: string): string {
  const name = names.get(sql) ?? `s${names.size}`
  names.set(sql, name)
  return name
}
