import type { Address, ReadPace } from './connection.ts'

/** What all plans have. */
interface Clients {
  address: Address
  /** Each has one connection and one request at a time. */
  clients: number
  /** For this long a client begins something new. */
  seconds: number
}

/** The same small request again and again. */
export interface RequestPlan extends Clients {
  kind: 'requests'
  method: 'GET' | 'HEAD'
  path: string
  headers: string
  status: number
}

/** Reads the content of number `id`, again and again, until its time is over or it is told to stop. */
export interface PullPlan extends Clients {
  kind: 'pull'
  path: string
  id: number
  size: number
  pace?: ReadPace
}

/** Pushes content that is new each time. */
export interface PushPlan extends Clients {
  kind: 'push'
  repository: string
  size: number
  /** POST, PATCH in chunks and PUT; else POST and PUT. */
  streamed: boolean
  /** At most this many pushes, each hashed before the clock starts. */
  count: number
  /** The number of the first; they must differ from all that the system has. */
  firstId: number
  /** Each blob is deleted as soon as it is pushed. */
  deleted?: true
}

/** Pushes small images that are new each time, and pulls one of them in between. */
export interface ImagePlan extends Clients {
  kind: 'images'
  /** Pushes go to these in turn. */
  repositories: readonly string[]
  firstId: number
  /** Of four operations so many are pulls of an image that is there. */
  pullsOfFour: number
  /** Only so many of those that were pushed stay; older ones are deleted. All stay if absent. */
  keep?: number
}

/** Begins uploads, sends a part and breaks the connection. */
export interface AbortPlan extends Clients {
  kind: 'abort'
  repository: string
  size: number
  count: number
}

/** What a load generator is to do; plain data, since it runs in a process of its own. */
export type Plan = RequestPlan | PullPlan | PushPlan | ImagePlan | AbortPlan

/** What came of it. */
export interface LoadResult {
  /** How many were done. */
  count: number
  /** Bytes of content that went over the wire. */
  bytes: number
  seconds: number
  failed: number
  /** What went wrong first; undefined if nothing did. */
  firstFailure?: string
  /** Latencies in milliseconds. */
  median: number
  p99: number
  /** Processor time of the generator itself. */
  cpuSeconds: number
  /** How many threads it could have used. */
  threads: number
}
