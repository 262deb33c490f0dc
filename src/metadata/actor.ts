/** Who makes a change. */
export type Actor = { kind: 'anonymous' } | { kind: 'user'; name: string }

/** The actor of every request while there are no accounts. */
export const ANONYMOUS: Actor = { kind: 'anonymous' }

/** How the change log names an actor; null if nobody knows who it is. */
export function nameOfActor(actor: Actor): string | null {
  return actor.kind === 'anonymous' ? null : actor.name
}

/** The actor of a change, by its name in the change log. */
export function actorNamed(name: string | null): Actor {
  return name === null ? ANONYMOUS : { kind: 'user', name }
}
