import type { Digest } from '../oci/digest.ts'
import { isManifestType, isSameMediaType } from '../oci/media-type.ts'
import type { Tag } from '../oci/reference.ts'
import type { PutManifest, PutManifestOutcome } from './manifests.ts'
import { conditionHolds } from './tag-condition.ts'
import { currentDigest, type FoundTag, moveTag, type TagMove } from './tag-move.ts'

/** The state that decides about a push. */
export interface PushState {
  repository: 'exists' | 'absent' | 'being-deleted'
  /** What the manifest requires and the repository does not have. */
  missing: readonly Digest[]
  /** The media type under which the repository has the manifest; undefined if it does not have it. */
  mediaType: string | undefined
  /** The existing rows of its tags. */
  tags: ReadonlyMap<Tag, FoundTag>
}

/** What a push changes: the manifest first, then its tags in this order. */
export interface PushPlan {
  /** Whether its row is new, gets another media type, or stays as it is. */
  manifest: 'new' | 'retyped' | 'unchanged'
  moves: readonly { tag: Tag; move: TagMove }[]
}

/** Decides about a push. @returns what it changes, or why it is refused */
export function decidePush(
  state: PushState,
  command: Pick<PutManifest, 'digest' | 'mediaType' | 'tags' | 'condition'>,
): { plan: PushPlan; refused?: never } | { refused: PutManifestOutcome; plan?: never } {
  const { digest, condition } = command
  if (state.repository === 'being-deleted') return { refused: { result: 'repository-deleting' } }
  if (state.missing.length > 0) return { refused: { result: 'missing', digests: [...state.missing] } }
  const holds = command.tags.every((tag) => conditionHolds(currentDigest(state.tags.get(tag)), condition))
  if (!holds) return { refused: { result: 'precondition-failed' } }
  const isSame = state.mediaType !== undefined && isSameMediaType(state.mediaType, command.mediaType)
  // With a type that a manifest cannot have, it can't have been pushed deliberately.
  if (state.mediaType !== undefined && !isSame && isManifestType(state.mediaType))
    return { refused: { result: 'other-media-type', mediaType: state.mediaType } }
  const moves = [...new Set(command.tags)].flatMap((tag) => {
    const move = moveTag(state.tags.get(tag), digest)
    return move === undefined ? [] : [{ tag, move }]
  })
  if (state.mediaType === undefined) return { plan: { manifest: 'new', moves } }
  return { plan: { manifest: isSame ? 'unchanged' : 'retyped', moves } }
}
