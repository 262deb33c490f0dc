import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'

/** What a service manager listens on for the states of its services. */
export interface NotifySocket {
  /** All datagrams so far, oldest first. */
  readonly datagrams: readonly string[]
  /** Waits for a datagram that matches, among those of this number and later ones. @returns its number */
  until(pattern: RegExp, from?: number): Promise<number>
}

/** Node has no Unix sockets for datagrams. */
const RECEIVER = `
import json, socket, sys
address = sys.argv[1]
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(chr(0) + address[1:] if address[0] == '@' else address)
print(json.dumps('bound'), flush=True)
while True:
    print(json.dumps(receiver.recv(65536).decode()), flush=True)
`

/** Receives datagrams at a path, or at a name in the abstract namespace with `@` before it, until the test ends. */
export async function openNotifySocket(
  test: Pick<TestContext, 'after'>,
  address: string,
): Promise<NotifySocket> {
  const child: ChildProcess = spawn('python3', ['-c', RECEIVER, address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  test.after(() => child.kill('SIGKILL'))
  if (child.stdout === null) throw new Error('it has no output')
  const lines = createInterface({ input: child.stdout })
  const datagrams: string[] = []
  await once(lines, 'line')
  lines.on('line', (line) => void datagrams.push(JSON.parse(line)))
  return {
    datagrams,
    async until(pattern, from = 0) {
      for (let index = from; ; index++) {
        while (index >= datagrams.length) await once(lines, 'line')
        if (pattern.test(datagrams[index] ?? '')) return index
      }
    },
  }
}
