import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** What becomes of a connection: both ends see it break, or the client alone does, as behind a balancer that forgot it. */
export type Break = 'cut' | 'unseen'

/** A network between clients and a registry that breaks connections which have brought so many bytes. */
export interface BrokenNetwork {
  /** What clients take for the registry. */
  host: string
  /** How many connections were broken. */
  broken: number
  close(): Promise<void>
}

/**
 * Opens a network to a registry.
 *
 * @param afterBytes how many bytes a client gets through before its connection breaks
 * @param times how many connections break; those after them are whole
 */
export async function brokenNetwork(
  registry: string,
  { how, afterBytes, times }: { how: Break; afterBytes: number; times: number },
): Promise<BrokenNetwork> {
  const [hostname, port] = registry.split(':')
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  }
  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) })
    keep(client)
    keep(upstream)
    let sent = 0
    client.on('data', (chunk) => {
      sent += chunk.length
      if (sent > afterBytes && network.broken < times) {
        network.broken++
        client.resetAndDestroy()
        if (how === 'cut') upstream.resetAndDestroy()
        return
      }
      if (!upstream.write(chunk)) client.pause()
    })
    upstream.on('drain', () => client.resume())
    upstream.pipe(client)
    client.on('end', () => upstream.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const network: BrokenNetwork = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    broken: 0,
    async close() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
  return network
}
