import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { layoutTree } from '../clients/content-tree.ts'
import { imageLayout } from '../clients/image.ts'
import type { ContainerStore } from './container-store.ts'

const PATIENCE_MS = 30_000
const REFERENCE = 'team/app:v1'

/** Repeats what fails until it succeeds, for 30 seconds at most. */
export async function repeatUntilDone(attempt: () => Promise<unknown>, pauseMs = 100): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      return void (await attempt())
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await sleep(pauseMs)
  }
}

/** Waits until the server in a container says that it is ready. */
export async function becomesReady(
  { podman }: ContainerStore,
  { name, host }: { name: string; host: string },
): Promise<void> {
  await repeatUntilDone(async () => {
    const answer = await fetch(`http://${host}/readyz`).catch(() => undefined)
    assert.ok(answer?.ok, `${name} is not ready: ${await podman('logs', name)}`)
  })
}

/** Pushes a new image with skopeo. @returns the digests of all that is in it */
export async function push({ run, folder }: ContainerStore, host: string): Promise<string[]> {
  const layout = join(folder, randomUUID())
  await mkdir(layout)
  await imageLayout(layout)
  const target = ['--dest-tls-verify=false', `docker://${host}/${REFERENCE}`]
  await run('skopeo', ['copy', `oci:${layout}:latest`, ...target])
  return await layoutTree(layout, 'latest')
}

/** Pulls what was pushed with skopeo. @returns the digests of all that is in it */
export async function pull({ run, folder }: ContainerStore, host: string): Promise<string[]> {
  const layout = join(folder, randomUUID())
  const source = ['--src-tls-verify=false', `docker://${host}/${REFERENCE}`]
  await run('skopeo', ['copy', ...source, `oci:${layout}:latest`])
  return await layoutTree(layout, 'latest')
}
