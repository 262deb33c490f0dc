/** Takes secrets out of text. */
export interface Hider {
  /** The text with a mark in place of each secret, as it is, as URLs write it, and as JSON does. */
  hide(text: string): string
  /** The same for text that may have been cut in the middle of a secret: its end, if a secret begins so, goes too. */
  hideInCut(text: string): string
  /** The length of the longest secret. */
  longest: number
}

/** What is shorter would be found in every other word. */
const SHORTEST = 4
const MARK = '(secret)'

/**
 * Hides passwords and tokens. A registry chooses its tokens, so what is hidden may be any text: nothing may be hidden in text that was
 * quoted or escaped before.
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

/** Where text ends with the beginning of a secret. */
function cutAt(text: string, secret: string): number | undefined {
  const start = secret.slice(0, SHORTEST)
  const first = Math.max(0, text.length - secret.length)
  for (let at = text.indexOf(start, first); at >= 0; at = text.indexOf(start, at + 1))
    if (secret.startsWith(text.slice(at))) return at
  return undefined
}
