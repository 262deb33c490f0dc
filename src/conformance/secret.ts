/** Removes secrets from text. */
export interface Hider {
  /** The text with a mark in place of each secret, in its plain form and as encoded in URLs and JSON. */
  hide(text: string): string
  /** The same for text that may have been cut in the middle of a secret: if its end is the beginning of a secret, that is removed too. */
  hideInCut(text: string): string
  /** The length of the longest secret. */
  longest: number
}

/** A shorter text would occur in every other word. */
const SHORTEST = 4
const MARK = '(secret)'

/**
 * Hides passwords and tokens. A registry chooses its tokens, so a secret may be any text. Secrets must therefore be hidden before text is
 * quoted or escaped.
 */
export function openHider(secrets: readonly string[]): Hider {
  const forms = secrets
    .map((secret) => secret.toWellFormed())
    .flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
    .filter(({ length }) => length >= SHORTEST)
  // A secret may be part of another one.
  const known = [...new Set(forms)].sort((one, other) => other.length - one.length)
  const hide = (text: string) => known.reduce((shown, secret) => shown.replaceAll(secret, MARK), text)
  return {
    hide,
    hideInCut(text) {
      const shown = hide(text)
      const cuts = known.map((secret) => cutAt(shown, secret)).filter((at) => at !== undefined)
      return cuts.length === 0 ? shown : `${shown.slice(0, Math.min(...cuts))}${MARK}`
    },
    longest: known[0]?.length ?? 0,
  }
}

/** The position at which text ends with the beginning of a secret. */
function cutAt(text: string, secret: string): number | undefined {
  const start = secret.slice(0, SHORTEST)
  const first = Math.max(0, text.length - secret.length)
  for (let at = text.indexOf(start, first); at >= 0; at = text.indexOf(start, at + 1))
    if (secret.startsWith(text.slice(at))) return at
  return undefined
}
