import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  stringify,
} from 'yaml'
import { InvalidValue } from './form.ts'
import { nearestName } from './nearest-name.ts'
import { escapeReferences, substitute } from './substitution.ts'
import { keyOf, SETTING_NAMES, type SettingName, settingOf } from './table.ts'

/** A place in a file; lines and columns begin with 1. */
export interface Position {
  line: number
  column: number
}

/** A value from a file. */
export interface FileValue extends Position {
  name: SettingName
  text: string
}

/** A problem of a file. */
export interface FileFault extends Position {
  /** The setting that the problem concerns, if there is one. */
  name?: SettingName
  message: string
}

/** The content of a file. */
export interface FileSettings {
  values: readonly FileValue[]
  faults: readonly FileFault[]
}

/** The most YAML aliases. Each may refer to a list, so that a few of them can make a file large. */
const MAX_ALIASES = 100

const NAMES = new Map(SETTING_NAMES.map((name) => [keyOf(name), name]))

/**
 * Reads a configuration file: a YAML map from keys of settings to values. A value is the text as written, even if YAML would read it as a
 * number: `0660` stays `0660`. Items of lists are checked here, since each has its own position; other values are not.
 *
 * @param environment where the variables of `${NAME}` are looked up
 * @returns the values that could be read, and all problems
 */
export function parseConfigFile(text: string, environment: NodeJS.ProcessEnv): FileSettings {
  const lines = new LineCounter()
  const options = { prettyErrors: false, uniqueKeys: false, logLevel: 'error' } as const
  const document = parseDocument(text, { ...options, lineCounter: lines })
  const problems = [...document.errors, ...document.warnings].map(({ message, pos }) => ({
    ...positionIn(lines, pos[0]),
    message,
  }))
  // The parser reports that it ran out of stack as an error of the file, in its own words and often hundreds of times.
  const [deep] = problems.filter(({ message }) => /call stack|stack overflow/i.test(message))
  if (deep !== undefined) return { values: [], faults: [{ ...deep, message: 'is nested too deeply' }] }
  if (problems.length > 0) return { values: [], faults: problems }
  return new FileReader(document, lines, environment).read()
}

function positionIn(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(line, 1), column: Math.max(col, 1) }
}

/** Reads the nodes of one document. */
class FileReader {
  readonly #document: Document.Parsed
  readonly #lines: LineCounter
  readonly #environment: NodeJS.ProcessEnv
  readonly #values: FileValue[] = []
  readonly #faults: FileFault[] = []
  #aliases = 0

  constructor(document: Document.Parsed, lines: LineCounter, environment: NodeJS.ProcessEnv) {
    this.#document = document
    this.#lines = lines
    this.#environment = environment
  }

  read(): FileSettings {
    const root = this.#document.contents
    if (isMap(root)) this.#readMap(root.items)
    else if (root !== null && !(isScalar(root) && root.value === null))
      this.#refuse(root, 'must be a map of settings, such as keep-deleted: 7d')
    return { values: this.#values, faults: this.#faults }
  }

  #readMap(pairs: readonly Pair[]): void {
    const seen = new Map<string, Position>()
    for (const { key, value } of pairs) {
      const text = this.#keyText(key)
      if (text === undefined) continue
      const before = seen.get(text)
      seen.set(text, before ?? this.#positionOf(key))
      const name = NAMES.get(text)
      if (before !== undefined) this.#refuse(key, `${text} is already in line ${before.line}`)
      else if (name === undefined) this.#refuse(key, unknownKey(text))
      else this.#readValue(name, key, value)
    }
  }

  #keyText(key: unknown): string | undefined {
    if (isScalar(key) && typeof key.value === 'string') return key.value
    this.#refuse(key, 'a key must be the name of a setting')
    return undefined
  }

  #readValue(name: SettingName, key: unknown, value: unknown): void {
    const node = this.#resolve(value)
    const place = isEmpty(value) ? key : value
    const isList = isSeq(node) && settingOf(name).form.isList
    const text = isList
      ? this.#listText(name, node.items)
      : this.#orRefuse(name, place, () => this.#text(node))
    if (text !== undefined) this.#values.push({ name, text, ...this.#positionOf(place) })
  }

  /** @returns undefined if an item is invalid */
  #listText(name: SettingName, items: readonly unknown[]): string | undefined {
    const { form } = settingOf(name)
    const texts = items.map((item) =>
      this.#orRefuse(name, item, () => {
        const text = this.#text(this.#resolve(item))
        form.parse(text)
        return text
      }),
    )
    if (texts.includes(undefined)) return undefined
    return texts.length === 0 ? 'none' : texts.join(',')
  }

  #orRefuse(name: SettingName, node: unknown, read: () => string): string | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error
      this.#refuse(node, `${keyOf(name)} ${error.message}`, name)
      return undefined
    }
  }

  /** @throws InvalidValue */
  #text(node: unknown): string {
    if (isEmpty(node)) throw new InvalidValue('has no value')
    if (!isScalar(node))
      throw new InvalidValue(`must be a single value, not a ${isSeq(node) ? 'list' : 'map'}`)
    if (typeof node.value === 'string') return substitute(node.value, this.#environment)
    return node.source ?? String(node.value)
  }

  #resolve(node: unknown): unknown {
    if (!isAlias(node)) return node
    this.#aliases++
    if (this.#aliases === MAX_ALIASES + 1) this.#refuse(node, `there are more than ${MAX_ALIASES} aliases`)
    return this.#aliases > MAX_ALIASES ? undefined : node.resolve(this.#document)
  }

  #positionOf(node: unknown): Position {
    const { range } = (node ?? {}) as { range?: [number, number, number] | null }
    return positionIn(this.#lines, range?.[0] ?? 0)
  }

  #refuse(node: unknown, message: string, name?: SettingName): void {
    this.#faults.push({ ...this.#positionOf(node), message, ...(name && { name }) })
  }
}

function isEmpty(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null)
}

function unknownKey(key: string): string {
  const near = nearestName(key, [...NAMES.keys()])
  return `there is no setting ${JSON.stringify(key)}${near === undefined ? '' : `; did you mean ${near}?`}`
}

/** Writes settings as a configuration file. */
export function formatSettings(settings: Readonly<Partial<Record<SettingName, string | boolean>>>): string {
  const given = SETTING_NAMES.flatMap((name) => {
    const value = settings[name]
    return value === undefined
      ? []
      : [[keyOf(name), typeof value === 'boolean' ? value : escapeReferences(value)]]
  })
  return stringify(Object.fromEntries(given))
}
