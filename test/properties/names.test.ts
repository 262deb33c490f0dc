import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseDigest } from '../../src/oci/digest.ts'
import { isForeignLayer, parseMediaType } from '../../src/oci/media-type.ts'
import { parseReference, parseRepositoryName, parseTag } from '../../src/oci/reference.ts'
import { digests, knownDigests, otherDigests, repositoryNames, tags } from './names.ts'
import { holds } from './property.ts'
import { near, optionalSpace, textOf } from './text.ts'

/** OCI Distribution Specification, "Pulling manifests", letter for letter. */
const SPECIFIED_NAME = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/
const SPECIFIED_TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

const LENGTHS = { sha256: 64, sha512: 128, blake3: 64 }

/** OCI Image Specification, descriptor.md, "Digests", rule by rule. */
function isDigest(text: string): boolean {
  const [algorithm = '', encoded, ...rest] = text.split(':')
  if (encoded === undefined || rest.length > 0 || text.length > 255) return false
  const components = algorithm.split(/[+._-]/)
  if (!components.every((component) => isMadeOf(component, '[a-z0-9]'))) return false
  const length = Object.entries(LENGTHS).find(([name]) => name === algorithm)?.[1]
  if (length === undefined) return isMadeOf(encoded, '[a-zA-Z0-9=_-]')
  return encoded.length === length && isMadeOf(encoded, '[0-9a-f]')
}

function isMadeOf(text: string, character: string): boolean {
  return text !== '' && [...text].every((one) => new RegExp(`^${character}$`).test(one))
}

test('a name of a repository is one exactly if the specification says so', () => {
  holds(near(repositoryNames, 'a0z./_-A:%'), (text) => {
    const expected = text.length <= 255 && SPECIFIED_NAME.test(text)
    assert.equal(parseRepositoryName(text), expected ? text : undefined)
  })
})

test('every name of the grammar up to 255 characters is one, and longer ones are not', () => {
  holds(repositoryNames, (name) => {
    assert.equal(parseRepositoryName(name), name)
    const long = `${name}/${'a'.repeat(255 - Math.min(name.length, 254))}`
    assert.ok(SPECIFIED_NAME.test(long) && long.length > 255)
    assert.equal(parseRepositoryName(long), undefined)
  })
})

test('a tag is one exactly if the specification says so', () => {
  holds(near(tags, 'aZ09_.-:/%'), (text) => {
    assert.equal(parseTag(text), SPECIFIED_TAG.test(text) ? text : undefined)
  })
})

test('a digest is one exactly if the specification says so, and a known one has its length', () => {
  holds(fc.oneof(digests, near(digests, 'af09GZ:+._-=/%')), (text) => {
    assert.equal(parseDigest(text), isDigest(text) ? text : undefined)
  })
})

test('a known digest is of one length and in lower case', () => {
  holds(fc.tuple(knownDigests, fc.nat(), textOf('0aAg', 1, 1)), ([digest, place, digit]) => {
    const at = digest.indexOf(':') + 1 + (place % (digest.length - digest.indexOf(':') - 1))
    const changed = digest.slice(0, at) + digit + digest.slice(at + 1)
    assert.equal(parseDigest(digest), digest)
    assert.equal(parseDigest(changed), /[0a]/.test(digit) ? changed : undefined)
    assert.equal(parseDigest(digest.slice(0, at) + digit + digest.slice(at)), undefined)
    assert.equal(parseDigest(digest.slice(0, at) + digest.slice(at + 1)), undefined)
  })
})

test('a reference is a tag or a digest, never both', () => {
  const references = fc.oneof(near(tags, 'aZ0_.-:'), near(digests, 'af0:+._-='), otherDigests)
  holds(references, (text) => {
    const expected = isDigest(text) ? { digest: text } : SPECIFIED_TAG.test(text) ? { tag: text } : undefined
    assert.deepEqual(parseReference(text), expected)
  })
})

const NAME_CHARACTERS = 'abz09AZ!#$&-^_.+'
const mediaTypeName = fc.oneof(
  {
    weight: 5,
    arbitrary: textOf('abz09AZ', 1, 1).chain((first) =>
      textOf(NAME_CHARACTERS, 0, 9).map((rest) => first + rest),
    ),
  },
  { weight: 1, arbitrary: fc.integer({ min: 126, max: 128 }).map((length) => 'x'.repeat(length)) },
)
const mediaTypes = fc.tuple(mediaTypeName, mediaTypeName).map((names) => names.join('/'))

/** RFC 6838, section 4.2: restricted-name "/" restricted-name. */
function isMediaType(text: string): boolean {
  const names = text.split('/')
  return (
    names.length === 2 &&
    names.every(
      (name) => name.length <= 127 && isMadeOf(name, '[a-zA-Z0-9!#$&^_.+-]') && /^[a-zA-Z0-9]/.test(name),
    )
  )
}

test('a media type is one exactly if the registration procedures say so', () => {
  const surrounded = fc.tuple(optionalSpace, near(mediaTypes, `${NAME_CHARACTERS}/*,`), optionalSpace)
  const parameters = fc.oneof(fc.constant(''), near(fc.constant('; charset=utf-8'), '; =a"'))
  holds(fc.tuple(surrounded, parameters), ([parts, rest]) => {
    const text = parts.join('')
    const type = text.split(';')[0]?.replace(/^[ \t]+|[ \t]+$/g, '') ?? ''
    const isSeparate = rest === '' || rest.startsWith(';')
    if (isSeparate) assert.equal(parseMediaType(text + rest), isMediaType(type) ? type : undefined)
  })
})

test('only layers that the specifications call foreign need not be there', () => {
  const prefixes = [
    'application/vnd.oci.image.layer.nondistributable.',
    'application/vnd.docker.image.rootfs.foreign.',
  ]
  const types = fc.tuple(fc.constantFrom(...prefixes, 'application/vnd.oci.image.layer.'), mediaTypeName)
  holds(
    near(
      types.map((parts) => parts.join('')),
      'adv.x/',
    ),
    (text) => {
      assert.equal(
        isForeignLayer(text),
        prefixes.some((prefix) => text.startsWith(prefix)),
      )
    },
  )
})
