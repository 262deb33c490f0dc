import type { ClientsOptions, Operation } from './clients.ts'
import { type Content, contentOf } from './content.ts'
import { deleteContent, expect, pullBlob, pushBlob, pushImage } from './exchange.ts'
import { type Image, imageOf } from './image.ts'
import type { AbortPlan, ImagePlan, Plan, PullPlan, PushPlan, RequestPlan } from './plan.ts'

/** What clients do, and what each does once before. */
export interface Load extends ClientsOptions {
  warmUp: () => Operation
}

/** Pushes of the warm-up are numbered from here, so that none comes again. */
const WARM_UP_IDS = 2 ** 40
const WARM_UP_BYTES = 1024 * 1024
/** So many images are made before the clock starts; more only if they don't suffice. */
const READY_IMAGES_EACH_SECOND = 2500
const LARGE_BYTES = 16 * 1024 * 1024
const MANIFEST_TYPES = 'Accept: application/vnd.oci.image.manifest.v1+json\r\n'

const nothing: Operation = async () => 0

/** What a plan comes to. Content is made and hashed here, before the clock starts. */
export function loadOf(plan: Plan): Load {
  switch (plan.kind) {
    case 'requests':
      return requestLoad(plan)
    case 'pull':
      return pullLoad(plan)
    case 'push':
      return pushLoad(plan)
    case 'images':
      return imageLoad(plan)
    case 'abort':
      return abortLoad(plan)
  }
}

function requestLoad({ method, path, headers, status, ...options }: RequestPlan): Load {
  const operation: Operation = async (connection) =>
    (await expect(connection, status, { method, path, headers })).bytes
  return { ...options, next: () => operation, warmUp: () => operation }
}

function pullLoad({ path, id, size, ...options }: PullPlan): Load {
  const operation: Operation = async (connection) => await pullBlob(connection, path, { id, size })
  // Of a large blob one read is enough to have it in memory; a slow reader would take its time.
  let reads = options.pace === undefined ? (size > LARGE_BYTES ? 1 : options.clients) : 0
  return { ...options, next: () => operation, warmUp: () => (reads-- > 0 ? operation : nothing) }
}

function pushLoad({ repository, size, streamed, count, firstId, deleted, ...options }: PushPlan): Load {
  const contents = Array.from({ length: count }, (_, index) => contentOf(firstId + index, size))
  let warm = WARM_UP_IDS + firstId
  const push =
    (content: Content): Operation =>
    async (connection) => {
      await pushBlob(connection, repository, { content, streamed })
      if (deleted) await deleteContent(connection, 'blobs', { repository, digest: content.digest })
      return content.size
    }
  return {
    ...options,
    next() {
      const content = contents.shift()
      return content && push(content)
    },
    warmUp: () => push(contentOf(warm++, Math.min(size, WARM_UP_BYTES))),
  }
}

function imageLoad(plan: ImagePlan): Load {
  const { repositories, firstId, pullsOfFour, keep = Infinity, ...options } = plan
  const ready = Math.ceil(options.seconds * READY_IMAGES_EACH_SECOND * (1 - pullsOfFour / 4))
  const images = Array.from({ length: ready }, (_, index) => imageOf(firstId + index))
  const kept: { repository: string; digest: string }[] = []
  let pushes = 0
  let turn = 0
  let warm = WARM_UP_IDS + firstId
  const push = (image: Image, index: number): Operation => {
    const repository = repositories[index % repositories.length] ?? ''
    const place = { repository, reference: `tag-${firstId + index}` }
    return async (connection) => {
      const bytes = await pushImage(connection, place, image)
      if (keep === Infinity) return bytes
      const old = kept.push({ repository, digest: image.manifest.digest }) > keep ? kept.shift() : undefined
      if (old) await deleteContent(connection, 'manifests', old)
      return bytes
    }
  }
  const pull = pullImage(imageOf(0))
  return {
    ...options,
    next() {
      if (turn++ % 4 < pullsOfFour) return pull
      const index = pushes++
      return push(images[index] ?? imageOf(firstId + index), index)
    },
    warmUp: () => push(imageOf(warm++), pushes++),
  }
}

/** Pulls the image that every system is given, as a client does that has none of it. */
function pullImage({ layer, config }: Image): Operation {
  return async (connection) => {
    const manifest = { method: 'GET', path: '/v2/bench/app/manifests/v1', headers: MANIFEST_TYPES } as const
    const { bytes } = await expect(connection, 200, manifest)
    for (const { digest } of [config, layer]) {
      await expect(connection, 200, { method: 'GET', path: `/v2/bench/app/blobs/${digest}` })
    }
    return bytes + config.bytes.length + layer.size
  }
}

function abortLoad({ repository, size, count, ...options }: AbortPlan): Load {
  let left = count
  const content = contentOf(WARM_UP_IDS, size)
  const operation: Operation = async (connection) => {
    const begun = await expect(connection, 202, { method: 'POST', path: `/v2/${repository}/blobs/uploads/` })
    // It announces twice of what it sends, and goes.
    const body = { pieces: content.pieces(), length: size * 2 }
    const cut = connection.send({ method: 'PATCH', path: begun.location ?? '', body }).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 5))
    connection.close()
    await cut
    return size
  }
  return { ...options, next: () => (left-- > 0 ? operation : undefined), warmUp: () => nothing }
}
