import type {
  CollectBlobs,
  CollectBlobsOutcome,
  DeleteBlob,
  DeleteBlobOutcome,
  KeepBlob,
  KeepBlobOutcome,
  MountBlob,
  MountBlobOutcome,
  PutBlob,
  PutBlobOutcome,
} from './blobs.ts'
import type { PruneChanges, PruneChangesOutcome } from './changes.ts'
import type {
  ForgetGarbage,
  ForgetGarbageOutcome,
  ReserveProbe,
  ReserveProbeOutcome,
  ShrinkStore,
  ShrinkStoreOutcome,
} from './contents.ts'
import type { SaveCounts, SaveCountsOutcome } from './counts.ts'
import type {
  LeaseJob,
  LeaseJobOutcome,
  RecordRun,
  RecordRunOutcome,
  ReleaseJob,
  ReleaseJobOutcome,
} from './jobs.ts'
import type {
  DeleteManifest,
  DeleteManifestOutcome,
  DescribeManifests,
  DescribeManifestsOutcome,
  ExpireDeleted,
  ExpireDeletedOutcome,
  PurgeManifest,
  PurgeManifestOutcome,
  PutManifest,
  PutManifestOutcome,
  RecordPulls,
  RecordPullsOutcome,
  SettleEdges,
  SettleEdgesOutcome,
  UndeleteManifest,
  UndeleteManifestOutcome,
} from './manifests.ts'
import type {
  DeleteRepository,
  DeleteRepositoryOutcome,
  DropDeletedRepositories,
  DropDeletedRepositoriesOutcome,
} from './repositories.ts'
import type {
  DeleteTag,
  DeleteTagOutcome,
  DropHiddenTags,
  DropHiddenTagsOutcome,
  SetTag,
  SetTagOutcome,
} from './tags.ts'
import type {
  AcknowledgeUpload,
  AcknowledgeUploadOutcome,
  DiscardKey,
  DiscardKeyOutcome,
  EndUpload,
  EndUploadOutcome,
  ExpireUploads,
  ExpireUploadsOutcome,
  MoveUpload,
  MoveUploadOutcome,
  OpenUpload,
  OpenUploadOutcome,
  ReleaseLeases,
  ReleaseLeasesOutcome,
  ReleaseUpload,
  ReleaseUploadOutcome,
  ReserveKey,
  ReserveKeyOutcome,
  RevertUpload,
  RevertUploadOutcome,
  SaveUpload,
  SaveUploadOutcome,
  SeizeUpload,
  SeizeUploadOutcome,
} from './uploads.ts'

/** Each command with its result. This is the list of all commands. */
export interface Commands {
  putBlob: { command: PutBlob; outcome: PutBlobOutcome }
  mountBlob: { command: MountBlob; outcome: MountBlobOutcome }
  deleteBlob: { command: DeleteBlob; outcome: DeleteBlobOutcome }
  keepBlob: { command: KeepBlob; outcome: KeepBlobOutcome }
  collectBlobs: { command: CollectBlobs; outcome: CollectBlobsOutcome }
  putManifest: { command: PutManifest; outcome: PutManifestOutcome }
  deleteManifest: { command: DeleteManifest; outcome: DeleteManifestOutcome }
  undeleteManifest: { command: UndeleteManifest; outcome: UndeleteManifestOutcome }
  purgeManifest: { command: PurgeManifest; outcome: PurgeManifestOutcome }
  expireDeleted: { command: ExpireDeleted; outcome: ExpireDeletedOutcome }
  settleEdges: { command: SettleEdges; outcome: SettleEdgesOutcome }
  recordPulls: { command: RecordPulls; outcome: RecordPullsOutcome }
  describeManifests: { command: DescribeManifests; outcome: DescribeManifestsOutcome }
  setTag: { command: SetTag; outcome: SetTagOutcome }
  deleteTag: { command: DeleteTag; outcome: DeleteTagOutcome }
  dropHiddenTags: { command: DropHiddenTags; outcome: DropHiddenTagsOutcome }
  deleteRepository: { command: DeleteRepository; outcome: DeleteRepositoryOutcome }
  dropDeletedRepositories: { command: DropDeletedRepositories; outcome: DropDeletedRepositoriesOutcome }
  openUpload: { command: OpenUpload; outcome: OpenUploadOutcome }
  saveUpload: { command: SaveUpload; outcome: SaveUploadOutcome }
  revertUpload: { command: RevertUpload; outcome: RevertUploadOutcome }
  acknowledgeUpload: { command: AcknowledgeUpload; outcome: AcknowledgeUploadOutcome }
  seizeUpload: { command: SeizeUpload; outcome: SeizeUploadOutcome }
  reserveKey: { command: ReserveKey; outcome: ReserveKeyOutcome }
  moveUpload: { command: MoveUpload; outcome: MoveUploadOutcome }
  releaseUpload: { command: ReleaseUpload; outcome: ReleaseUploadOutcome }
  releaseLeases: { command: ReleaseLeases; outcome: ReleaseLeasesOutcome }
  endUpload: { command: EndUpload; outcome: EndUploadOutcome }
  discardKey: { command: DiscardKey; outcome: DiscardKeyOutcome }
  expireUploads: { command: ExpireUploads; outcome: ExpireUploadsOutcome }
  pruneChanges: { command: PruneChanges; outcome: PruneChangesOutcome }
  saveCounts: { command: SaveCounts; outcome: SaveCountsOutcome }
  forgetGarbage: { command: ForgetGarbage; outcome: ForgetGarbageOutcome }
  reserveProbe: { command: ReserveProbe; outcome: ReserveProbeOutcome }
  leaseJob: { command: LeaseJob; outcome: LeaseJobOutcome }
  releaseJob: { command: ReleaseJob; outcome: ReleaseJobOutcome }
  recordRun: { command: RecordRun; outcome: RecordRunOutcome }
  shrinkStore: { command: ShrinkStore; outcome: ShrinkStoreOutcome }
}

/**
 * A write as plain data, so that it can be sent to another thread or process. It contains durations, in milliseconds, and no times: the store
 * has a clock of its own. The store checks conditions in the same transaction that makes the change.
 */
export type Command = Commands[keyof Commands]['command']

/** A command with the store's time at which it is executed, in milliseconds since the epoch. */
export type Stamped<C extends Command = Command> = C & { readonly at: number }

/** The outcome of one command. A command whose `result` gives a reason for refusal has changed nothing. */
export type Outcome<C extends Command = Command> = Commands[C['type']]['outcome']
