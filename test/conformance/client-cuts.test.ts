import { clientCutCases } from '../../src/conformance/cases/clients/cuts.ts'
import type { Fault } from './faulty-registry.ts'
import { type KnownBad, testCases } from './known-bad.ts'

/** Forgets an upload as soon as a closing PUT fails. */
const dropping: Fault = (app) => {
  const dropped = new Set<string>()
  return async (request) => {
    if (dropped.has(request.path)) return { status: 404, headers: { 'Content-Length': '0' } }
    const response = await app(request)
    if (request.method === 'PUT' && response.status !== 201) dropped.add(request.path)
    return response
  }
}

const CUTS: readonly KnownBad[] = [
  { id: 'client-close-cut', does: 'drops an upload whose connection broke', fault: dropping },
]

testCases('broken connections', clientCutCases, CUTS, { raw: true })
