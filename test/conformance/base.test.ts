import { baseCases } from '../../src/conformance/cases/specification/base.ts'
import type { Fault } from './faulty-registry.ts'
import { answering, header, json, type KnownBad, status, testCases, text } from './known-bad.ts'

const ANY = () => true

function warning(value: string): Fault {
  return header('GET|HEAD manifest', 'Warning', value)
}

const TABLE: readonly KnownBad[] = [
  { id: 'base', does: 'has nothing at /v2/', fault: status('GET base', 404) },
  {
    id: 'error-body',
    does: 'answers errors in a JSON of its own',
    fault: answering(ANY, (response) =>
      response.status < 400 ? response : text(response, '{"error":"no"}'),
    ),
  },
  {
    id: 'error-code-characters',
    does: 'writes codes in lower case',
    fault: json('GET blob', ({ errors }) => ({
      errors: errors.map(({ code }) => ({ code: code.toLowerCase() })),
    })),
  },
  {
    id: 'error-code-known',
    does: 'has codes of its own',
    fault: json('GET tags', () => ({ errors: [{ code: 'NO_SUCH_THING' }] })),
  },
  {
    id: 'error-message',
    does: 'has objects for messages',
    fault: json('GET tags', (body) => ({
      ...body,
      ...(body.errors && { errors: body.errors.map((error) => ({ ...error, message: {} })) }),
    })),
  },
  {
    id: 'error-method-allow',
    does: 'does not say which methods it allows',
    fault: answering('DELETE tags', (response) => ({
      ...response,
      headers: { 'Content-Length': '0' },
      body: { type: 'bytes', bytes: new Uint8Array() },
    })),
  },
  { id: 'warning-agent', does: 'warns with another code', fault: warning('199 - "old"') },
  {
    id: 'warning-date',
    does: 'says when it warned',
    fault: warning('299 - "old" "Wed, 21 Oct 2015 07:28:00 GMT"'),
  },
  { id: 'warning-size', does: 'warns at length', fault: warning(`299 - "${'x'.repeat(4096)}"`) },
]

testCases('the entry point, errors and warnings', baseCases, TABLE)
