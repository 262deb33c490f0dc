import { parseDigest } from '../oci/digest.ts'
import { parseTag, type RepositoryName } from '../oci/reference.ts'
import type { ProbeAnswer, ProbeRequest } from './exchange.ts'
import { ACCEPT } from './manifest.ts'
import type { Send } from './probe.ts'

const DELETION = '_stowage/repository/self'
/** The most tags that are checked in one repository. The cases never push more to one. */
const MAX_TAGS = 2_000
const LONGEST_MS = 300_000

/**
 * Deletes the content that a run left in its repositories: each repository as a whole if the registry supports that, otherwise their tags
 * and manifests. Names in answers are checked before they are sent back.
 *
 * @param names repositories that only this run has pushed to
 * @param longest how long it may continue to send requests, in milliseconds, since a registry may be slow to answer each
 * @returns how many the registry may keep, since it offers no way to delete a repository
 */
export async function removeRepositories(
  names: Iterable<RepositoryName>,
  send: Send,
  longest: number = LONGEST_MS,
): Promise<number> {
  const deadline = performance.now() + longest
  let kept = 0
  const attempt = async (request: ProbeRequest) =>
    performance.now() < deadline ? await send(request).catch(() => undefined) : undefined
  for (const name of names) {
    // If nothing exists, there is nothing to request.
    const tags = await attempt({ method: 'GET', target: `/v2/${name}/tags/list` })
    if (tags === undefined || tags.status === 404) continue
    if (await offersDeletion(name, attempt)) {
      await attempt({ method: 'DELETE', target: `/v2/${name}/${DELETION}` })
      continue
    }
    await removeTags(name, tagsIn(tags), attempt)
    kept++
  }
  return kept
}

type Attempt = (request: ProbeRequest) => Promise<ProbeAnswer | undefined>

async function offersDeletion(name: RepositoryName, attempt: Attempt): Promise<boolean> {
  const answer = await attempt({ method: 'GET', target: `/v2/${name}/_oci/ext/discover` })
  return answer?.status === 200 && textOf(answer).includes(`"${DELETION}"`)
}

async function removeTags(name: RepositoryName, tags: readonly string[], attempt: Attempt): Promise<void> {
  for (const tag of tags) {
    const target = `/v2/${name}/manifests/${tag}`
    const answer = await attempt({ method: 'HEAD', target, headers: { Accept: ACCEPT } })
    await attempt({ method: 'DELETE', target })
    const digest = parseDigest(answer?.headers.get('docker-content-digest') ?? '')
    if (digest !== undefined) await attempt({ method: 'DELETE', target: `/v2/${name}/manifests/${digest}` })
  }
}

function tagsIn(answer: ProbeAnswer): string[] {
  try {
    const { tags } = JSON.parse(textOf(answer)) as { tags?: unknown }
    if (!Array.isArray(tags)) return []
    return tags.filter((tag) => typeof tag === 'string' && parseTag(tag) !== undefined).slice(0, MAX_TAGS)
  } catch {
    return []
  }
}

function textOf({ body }: ProbeAnswer): string {
  return new TextDecoder().decode(body)
}
