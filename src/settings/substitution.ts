import { InvalidValue } from './form.ts'

const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * Replaces `${NAME}` with the value of the environment variable. `$${` is an escape for the characters `${`.
 *
 * @throws InvalidValue if a variable is not set, or if what follows `${` is not a name and `}`
 */
export function substitute(text: string, environment: NodeJS.ProcessEnv): string {
  return text.replace(REFERENCE, (match: string, name: string | undefined, end: string) => {
    if (name === undefined) return `\${`
    if (end === '' || !NAME.test(name))
      throw new InvalidValue(
        `has ${JSON.stringify(match)}, which is not \${NAME}; write $\${ for the characters`,
      )
    const value = environment[name]
    if (value === undefined) throw new InvalidValue(`uses the environment variable ${name}, which is not set`)
    return value
  })
}

/** Escapes a text so that {@link substitute} returns it unchanged. */
export function escapeReferences(text: string): string {
  return text.replaceAll(`\${`, () => `$\${`)
}
