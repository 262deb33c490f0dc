/**
 * Text from outside that a parser refuses: how every parser of this folder refuses that has more to say than that there is nothing. The
 * message says what is wrong, as the end of a sentence about the text.
 */
export class TextError extends Error {
  override readonly name = 'TextError'

  /**
   * @param problem what is wrong, such as "is empty"
   * @param text all of the text, if the message shall tell at which character it is wrong
   * @param at index into the text
   */
  constructor(problem: string, text?: string, at = 0) {
    super(text === undefined ? problem : `${problem}, at character ${[...text.slice(0, at)].length + 1}`)
  }
}
