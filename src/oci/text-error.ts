/**
 * A parser refuses untrusted text. Every parser of this folder that can give a reason throws this error. The message is the problem, as the
 * end of a sentence about the text.
 */
export class TextError extends Error {
  override readonly name = 'TextError'

  /**
   * @param problem the problem, such as "is empty"
   * @param text the whole text, if the message should include the position of the invalid character
   * @param at index into the text
   */
  constructor(problem: string, text?: string, at = 0) {
    super(text === undefined ? problem : `${problem}, at character ${[...text.slice(0, at)].length + 1}`)
  }
}
