/** How the values of a setting are written. */
export interface Form<T> {
  /** How the documentation describes it, such as `time`; Markdown. */
  readonly unit: string
  /** The form of a value in a configuration file, as JSON Schema. */
  readonly schema: object
  /** The only values, if there are few. */
  readonly choices?: readonly string[]
  /** Whether a configuration file may give it as a list; its text is joined by commas. */
  readonly isList?: true
  /** Whether it names a file that is read. */
  readonly isFile?: true
  /** Reads a value. @throws InvalidValue */
  parse(text: string): T
}

/** A value does not have the form of its setting. The message says what it must be, without naming the setting. */
export class InvalidValue extends Error {
  override readonly name = 'InvalidValue'
}

/** One of a few words. */
export function oneOf<const Choices extends readonly string[]>(choices: Choices): Form<Choices[number]> {
  const quoted = choices.map((choice) => `\`${choice}\``)
  return {
    unit: `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`,
    schema: { enum: choices },
    choices,
    parse(text) {
      const found = choices.find((choice) => choice === text)
      if (found === undefined) throw new InvalidValue(`must be one of ${choices.join(', ')}`)
      return found
    },
  }
}

const ON = ['true', '1', 'yes', 'on']
const OFF = ['false', '0', 'no', 'off', '']

/** A switch that is on or off. */
export const SWITCH: Form<boolean> = {
  unit: 'switch',
  schema: { type: 'boolean' },
  parse(text) {
    const word = text.toLowerCase()
    if (ON.includes(word)) return true
    if (OFF.includes(word)) return false
    throw new InvalidValue('must be true or false')
  },
}

/** The path of a file in PEM. */
export const PEM_FILE: Form<string> = {
  unit: 'file in PEM',
  schema: { type: 'string', minLength: 1 },
  isFile: true,
  parse(text) {
    // The message does not show the value, which may be the key itself.
    if (text === '' || text.includes('\n') || text.includes('\0'))
      throw new InvalidValue('must be the path of a file')
    return text
  },
}
