import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CommandOptions, Outcome } from './command.ts'
import { startDaemon } from './daemon.ts'
import type { Session } from './session.ts'

type Ctr = (args: readonly string[], options?: CommandOptions) => Promise<Outcome>

/** A content and image store of containerd's that shares nothing with the others: one namespace. */
export type ContainerdStore = { ctr: Ctr; refuse: Ctr }

export type Containerd = {
  /** Where it listens for `ctr`. */
  socket: string
  store(): ContainerdStore
  stop(): Promise<void>
}

/** Starts a containerd of its own; the caller stops it. */
export async function startContainerd(
  session: Pick<Session, 'env' | 'folder' | 'run' | 'refuse'>,
): Promise<Containerd> {
  const folder = await session.folder()
  const config = join(folder, 'config.toml')
  const socket = join(folder, 'containerd.sock')
  await writeFile(config, settings(folder, socket))
  const daemon = await startDaemon('containerd', ['--config', config], {
    ready: /successfully booted/,
    signal: 'SIGTERM',
    env: session.env,
  })
  let namespaces = 0
  return {
    socket,
    store() {
      const flags = ['--address', socket, '--namespace', `store-${++namespaces}`]
      return {
        ctr: (args, options) => session.run('ctr', [...flags, ...args], options),
        refuse: (args, options) => session.refuse('ctr', [...flags, ...args], options),
      }
    },
    stop: daemon.stop,
  }
}

function settings(folder: string, socket: string): string {
  const unused = ['grpc.v1.cri', 'internal.v1.opt', 'snapshotter.v1.devmapper']
  // Isolated: content that one namespace holds must still be fetched by another.
  return `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = [${unused.map((plugin) => `"io.containerd.${plugin}"`).join(', ')}]
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${socket}.ttrpc"
[plugins."io.containerd.metadata.v1.bolt"]
  content_sharing_policy = "isolated"
`
}
