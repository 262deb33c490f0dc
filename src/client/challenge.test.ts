import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Challenge, parseChallenge } from './challenge.ts'

const BASIC: Challenge = { scheme: 'basic' }
const REALM = 'https://auth.test/token'

const CHALLENGES: [header: string, challenge: Challenge | undefined][] = [
  ['Basic', BASIC],
  ['basic realm="x", charset="UTF-8"', BASIC],
  ['Negotiate, Basic realm="x"', BASIC],
  ['Negotiate YWI=, Basic realm="x"', BASIC],
  [`Bearer realm="${REALM}"`, { scheme: 'bearer', realm: REALM }],
  [`Bearer realm=${REALM},service=here`, { scheme: 'bearer', realm: REALM, service: 'here' }],
  [
    `BEARER  Realm = "${REALM}" ,service="a\\"b",scope="repository:a/b:pull,push"`,
    { scheme: 'bearer', realm: REALM, service: 'a"b', scope: 'repository:a/b:pull,push' },
  ],
  [`Basic realm="x", Bearer realm="${REALM}"`, { scheme: 'bearer', realm: REALM }],
  [`Bearer realm="${REALM}", Basic realm="x", service="of the other"`, { scheme: 'bearer', realm: REALM }],
  [`Bearer realm="${REALM}",scope=""`, { scheme: 'bearer', realm: REALM }],
  [`Bearer error="x", Bearer realm="${REALM}"`, { scheme: 'bearer', realm: REALM }],
  ['Bearer service="x", Basic realm="y"', BASIC],
  [`Basic realm="x, Bearer realm=${REALM}"`, BASIC],
  [`Digest realm="x, Basic"`, undefined],
  [`realm="${REALM}"`, undefined],
  ['Bearer', undefined],
  ['Bearer realm="', undefined],
  ['', undefined],
]

test('of several challenges the one that can be met is found, with its own parameters', () => {
  for (const [header, challenge] of CHALLENGES) assert.deepEqual(parseChallenge(header), challenge, header)
})
