import { RegistryError } from '../../oci/error.ts'
import type { Registry } from '../../registry/registry.ts'

/** How many may wait for changes at a time, over all threads of a server. */
export const MAX_FOLLOWERS = 1024
/** How many of them may come from one client address, or one /64 network of IPv6: enough for an office behind one proxy. */
export const MAX_FOLLOWERS_OF_CLIENT = 512

/** A follower that takes a place and gives it back. */
export interface Follower {
  /** The client's address; undefined if it is unknown. All clients with an unknown address count as one. */
  address: string | undefined
  /** Gives the place back when it is aborted. */
  signal: AbortSignal
  /** How many threads answer requests. Each has an equal part of the places, since connections are distributed evenly over them. */
  threads: number
}

interface Places {
  taken: number
  byClient: Map<string, number>
}

const places = new WeakMap<Registry, Places>()

/**
 * Takes one of the places for clients that wait for changes.
 *
 * @returns a function that gives it back; further calls do nothing
 * @throws RegistryError UNAVAILABLE if all are taken, or all that one client may have
 */
export function takePlace(registry: Registry, { address, signal, threads }: Follower): () => void {
  const here = places.get(registry) ?? { taken: 0, byClient: new Map<string, number>() }
  places.set(registry, here)
  const client = address === undefined ? '' : networkOf(address)
  const ofClient = here.byClient.get(client) ?? 0
  if (here.taken >= Math.ceil(MAX_FOLLOWERS / threads)) throw full(`${MAX_FOLLOWERS} other requests`)
  if (ofClient >= Math.ceil(MAX_FOLLOWERS_OF_CLIENT / threads))
    throw full(`${MAX_FOLLOWERS_OF_CLIENT} other requests from the same address`)
  here.taken++
  here.byClient.set(client, ofClient + 1)
  let isTaken = true
  const giveBack = () => {
    if (isTaken) release(here, client)
    isTaken = false
    signal.removeEventListener('abort', giveBack)
  }
  signal.addEventListener('abort', giveBack)
  if (signal.aborted) giveBack()
  return giveBack
}

function release(here: Places, client: string): void {
  here.taken--
  const left = (here.byClient.get(client) ?? 1) - 1
  if (left === 0) here.byClient.delete(client)
  else here.byClient.set(client, left)
}

function full(who: string): RegistryError {
  return new RegistryError('UNAVAILABLE', {
    message: `${who} are already waiting for changes; try again later, or do not wait`,
  })
}

/** An IPv4 address, or the first half of an IPv6 address, since a client that has one address of that network has all of them. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail = ''] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0')
  return [...before, ...zeros, ...after].slice(0, 4).join(':')
}
