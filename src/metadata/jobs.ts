/** One run of a job. */
export interface JobRun {
  /** The name of the job. */
  job: string
  /** Milliseconds since the epoch. */
  started: number
  /** Milliseconds. */
  took: number
  /** A run is stopped if its server ended. What it did until then counts. */
  outcome: 'done' | 'failed' | 'stopped'
  /** How many of each thing it did, or bytes. */
  result: Readonly<Record<string, number>>
  error?: string
}

/** Reads of what jobs did. */
export interface JobReads {
  /** The recorded runs of a job, newest first. */
  runs(job: string, limit: number): Promise<JobRun[]>
}

/** Takes the lease of a job for one holder, or renews it. While it is valid, no other holder gets it. */
export interface LeaseJob {
  type: 'leaseJob'
  job: string
  holder: string
  /** How long it is valid from the execution of the command on, in milliseconds, unless it is renewed. */
  duration: number
}

/** `held` if another holder has it. */
export type LeaseJobOutcome = { result: 'leased' | 'held' }

/** Gives the lease of a job back, if the holder has it. */
export interface ReleaseJob {
  type: 'releaseJob'
  job: string
  holder: string
}

/** @see ReleaseJob */
export type ReleaseJobOutcome = { result: 'done' }

/** Records a run, and forgets all but the newest `keep` runs of the same job. */
export interface RecordRun {
  type: 'recordRun'
  run: JobRun
  keep: number
}

/** @see RecordRun */
export type RecordRunOutcome = { result: 'done' }
