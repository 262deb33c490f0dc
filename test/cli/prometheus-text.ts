import assert from 'node:assert/strict'

/** The metrics of one scrape. */
export interface MetricFamilies {
  text: string
  /** The number of the sample with exactly these labels; fails if there is none. */
  value(name: string, labels: object): number
  /** The names of all families. */
  readonly names: readonly string[]
}

const SAMPLE = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]?(?:Inf|[0-9.e+-]+))$/i
const LABEL = /([a-z_][a-z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/giy

/**
 * Reads the text format of Prometheus strictly, as `promtool check metrics` does: each family has a help and a type before its samples, is
 * not split, and has no sample twice; counters end in `_total`; buckets of a histogram never decrease, and the last one is the count.
 */
export function readMetrics(text: string): MetricFamilies {
  assert.ok(text.endsWith('\n'))
  const samples = new Map<string, number>()
  const types = new Map<string, string>()
  let family = ''
  let helped = ''
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (kind === 'HELP') helped = name
    else if (kind === 'TYPE') {
      assert.equal(name, helped, `${name} has no help`)
      assert.ok(!types.has(name), `${name} is split`)
      types.set(name, rest)
      family = name
    } else readSample(line, { family, type: types.get(family) ?? '', samples })
  }
  checkHistograms(samples, types)
  return {
    text,
    names: [...types.keys()],
    value(name, labels) {
      const found = samples.get(keyOf(name, Object.entries(labels)))
      assert.ok(found !== undefined, `there is no ${keyOf(name, Object.entries(labels))} in\n${text}`)
      return found
    },
  }
}

function keyOf(name: string, labels: readonly (readonly [string, unknown])[]): string {
  const sorted = labels.map(([label, value]) => `${label}=${value}`).sort()
  return `${name}{${sorted.join(',')}}`
}

function readSample(
  line: string,
  { family, type, samples }: { family: string; type: string; samples: Map<string, number> },
): void {
  const [, name = '', inside = '', value = ''] = SAMPLE.exec(line) ?? []
  assert.ok(name !== '', `not a sample: ${line}`)
  const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
  assert.ok(
    suffixes.some((suffix) => name === family + suffix),
    `${name} stands in the family ${family}`,
  )
  if (type === 'counter') assert.match(name, /_total$/)
  const labels = [...inside.matchAll(LABEL)]
  assert.equal(labels.map(([whole]) => whole).join(''), inside, `labels of ${line}`)
  const key = keyOf(
    name,
    labels.map(([, label = '', text = '']) => [label, text] as const),
  )
  assert.ok(!samples.has(key), `${key} is there twice`)
  samples.set(key, Number(value.replace('Inf', 'Infinity')))
}

function checkHistograms(samples: ReadonlyMap<string, number>, types: ReadonlyMap<string, string>): void {
  for (const [name] of [...types].filter(([, type]) => type === 'histogram')) {
    const last = new Map<string, number>()
    for (const [key, value] of samples) {
      if (!key.startsWith(`${name}_bucket{`)) continue
      const series = key.replace('_bucket', '_count').replace(/,le=[^,}]*|le=[^,}]*,?/, '')
      assert.ok(value >= (last.get(series) ?? 0), `${key} decreases`)
      last.set(series, value)
    }
    for (const [series, value] of last) assert.equal(samples.get(series), value, series)
  }
}
