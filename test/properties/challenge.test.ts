import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Challenge, parseChallenge } from '../../src/client/challenge.ts'
import { holds } from './property.ts'
import { near, optionalSpace, textOf } from './text.ts'

interface AnyChallenge {
  scheme: string
  token68?: string
  parameters?: [name: string, value: string][]
}

const values = fc.oneof(
  fc.constantFrom('https://auth.test/token', 'registry.test', 'repository:a/b:pull,push', ''),
  textOf('abc, =/"\\;Bearer realm', 0, 12),
)
const parameterNames = fc.constantFrom(
  'realm',
  'service',
  'scope',
  'error',
  'Realm',
  'SCOPE',
  'constructor',
  '__proto__',
)

const challenges: fc.Arbitrary<AnyChallenge> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      scheme: fc.constantFrom('Bearer', 'bearer', 'BEARER', 'Basic', 'basic', 'Digest', 'Bearer2', 'x-basic'),
      parameters: fc.array(fc.tuple(parameterNames, values), { maxLength: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      scheme: fc.constantFrom('Negotiate', 'Basic', 'Bearer', 'NTLM'),
      token68: fc.tuple(textOf('abAB09-._~+/', 1, 6), textOf('=', 0, 2)).map((parts) => parts.join('')),
    }),
  },
)

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** RFC 9110, section 11.6.1, with white space wherever it may stand. */
function format({ scheme, token68, parameters = [] }: AnyChallenge, space: () => string): string {
  if (token68 !== undefined) return `${scheme} ${space()}${token68}`
  const list = parameters.map(([name, value]) => {
    const isToken = /^[a-z.]+$/i.test(value) && space() === ''
    return `${name}${space()}=${space()}${isToken ? value : quote(value)}`
  })
  return list.length === 0 ? scheme : `${scheme} ${space()}${list.join(`${space()},${space()}`)}`
}

/** The first of several parameters of one name counts. */
function parameterOf({ parameters = [] }: AnyChallenge, wanted: string): string | undefined {
  return parameters.find(([name]) => name.toLowerCase() === wanted)?.[1]
}

function expected(list: AnyChallenge[]): Challenge | undefined {
  const schemeIs = (name: string) => (challenge: AnyChallenge) => challenge.scheme.toLowerCase() === name
  const bearer = list
    .filter(schemeIs('bearer'))
    .find((challenge) => parameterOf(challenge, 'realm') !== undefined)
  if (bearer === undefined) return list.some(schemeIs('basic')) ? { scheme: 'basic' } : undefined
  const [realm = '', service, scope] = ['realm', 'service', 'scope'].map((name) => parameterOf(bearer, name))
  return { scheme: 'bearer', realm, ...(service !== undefined && { service }), ...(scope && { scope }) }
}

test('of any challenges, the one that can be met is found with its own parameters', () => {
  const lists = fc.array(challenges, { minLength: 1, maxLength: 3 })
  holds(fc.tuple(lists, fc.infiniteStream(optionalSpace)), ([list, spaces]) => {
    const space = () => [...spaces.take(1)].join('')
    const header = list.map((challenge) => format(challenge, space)).join(`${space()},${space()}`)
    assert.deepEqual(parseChallenge(header), expected(list), header)
  })
})

test('any header gives a challenge whose values are in it, or none', () => {
  const headers = challenges.map((challenge) => format(challenge, () => ''))
  holds(near(headers, 'Bearerbasic =",\\/:'), (header) => {
    const challenge = parseChallenge(header)
    if (challenge === undefined) return
    assert.match(header, new RegExp(challenge.scheme, 'i'))
    if (challenge.scheme === 'basic') return
    const plain = header.replaceAll('\\', '')
    for (const value of [challenge.realm, challenge.service ?? '', challenge.scope ?? ''])
      assert.ok(plain.includes(value.replaceAll('\\', '')))
  })
})
