/** Text of a small grammar that does not follow it: the message says what is wrong, and at which character. */
export class TextError extends Error {
  override readonly name = 'TextError'

  /**
   * @param problem what is wrong, as the first half of a sentence
   * @param text all of it
   * @param at index into the text
   */
  constructor(problem: string, text: string, at: number) {
    super(`${problem}, at character ${[...text.slice(0, at)].length + 1}`)
  }
}
