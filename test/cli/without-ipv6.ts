import { once } from 'node:events'
import { createServer } from 'node:net'

const EAFNOSUPPORT = -97

/** For `node --import`: lets the program see a kernel without IPv6, in which no socket of that family can be made. */
const probe = createServer().listen(0, '127.0.0.1')
await once(probe, 'listening')
const { _handle: handle } = probe as unknown as { _handle: object }
Object.assign(Object.getPrototypeOf(handle), { bind6: () => EAFNOSUPPORT })
probe.close()
