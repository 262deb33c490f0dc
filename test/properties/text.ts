import fc from 'fast-check'

/** One character of an alphabet. */
export function oneOf(alphabet: string): fc.Arbitrary<string> {
  return fc.constantFrom(...alphabet)
}

/** Text of an alphabet. */
export function textOf(alphabet: string, minLength: number, maxLength: number): fc.Arbitrary<string> {
  return fc.string({ unit: oneOf(alphabet), minLength, maxLength })
}

/** Any text at all, with halves of characters and control characters. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.nat({ max: 0xffff }).map((code) => String.fromCharCode(code)) }),
)

/**
 * Text that a grammar accepts, the same with a few characters cut out or put in, and text of the grammar's characters in no order: what
 * lies close to the border of the grammar on both sides.
 */
export function near(valid: fc.Arbitrary<string>, alphabet: string): fc.Arbitrary<string> {
  const unit = fc.oneof(
    { weight: 8, arbitrary: oneOf(alphabet) },
    { weight: 1, arbitrary: oneOf(' \t\n\r\0\v\f\u00a0\ufeff\u2028ſK٣ａ') },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
  )
  const damaged = fc
    .tuple(valid, fc.nat(), fc.nat({ max: 2 }), fc.string({ unit, maxLength: 2 }))
    .map(([text, place, cut, put]) => {
      const at = place % (text.length + 1)
      return text.slice(0, at) + put + text.slice(at + cut)
    })
  return fc.oneof(
    { weight: 2, arbitrary: valid },
    { weight: 4, arbitrary: damaged },
    { weight: 2, arbitrary: fc.string({ unit, maxLength: 20 }) },
    { weight: 1, arbitrary: anyText },
  )
}

/** Optional white space of HTTP. */
export const optionalSpace: fc.Arbitrary<string> = fc.oneof(fc.constant(''), textOf(' \t', 0, 3))
