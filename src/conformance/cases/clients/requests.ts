import { askForBlob } from '../../blob.ts'
import type { Case } from '../../case.ts'
import { makeIndex, manifestTarget, pullManifest, pushArtifact, wantPullable } from '../../manifest.ts'
import { wantBody, wantStatus } from '../../probe.ts'
import { pushBlob } from '../../upload.ts'
import { seenInRow, wantCode } from './uploads.ts'

/** What clients send that looks like a mistake, and what they must be told. */
export const clientRequestCases: readonly Case[] = [
  {
    ...seenInRow(86, 'SHOULD'),
    id: 'client-tag-out-of-grammar',
    title: 'pulling a malformed tag returns 404',
    sentence:
      'The specification requires 404 for a missing manifest, whatever the reference; its older suites use a tag that begins with a dot.',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      await pushArtifact(probe, 'latest')
      for (const method of ['GET', 'HEAD'] as const)
        wantStatus(await pullManifest(probe, '.INVALID_MANIFEST_NAME', { method }), 404)
    },
  },
  {
    ...seenInRow(87),
    id: 'client-content-type-case',
    title: 'the media type of a manifest may be sent in upper case',
    sentence: 'Media types are case-insensitive (RFC 9110, section 8.3.1).',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      const index = await makeIndex([])
      const target = manifestTarget(probe, 'latest')
      const headers = { 'Content-Type': index.mediaType.toUpperCase() }
      wantStatus(await probe.send({ method: 'PUT', target, headers, body: index.bytes }), 201)
      await wantPullable(probe, index, 'latest')
    },
  },
  {
    ...seenInRow(88, 'SHOULD'),
    id: 'client-content-type-form',
    title: 'a manifest cannot be pushed as form data',
    sentence:
      'curl sends application/x-www-form-urlencoded by default: no client can pull a manifest that is stored with this type.',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      const target = manifestTarget(probe, 'form')
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const body = new TextEncoder().encode('{"schemaVersion":2,"manifests":[]}')
      const refused = await probe.send({ method: 'PUT', target, headers, body })
      wantStatus(refused, 400)
      wantCode(refused, 'MANIFEST_INVALID')
    },
  },
  {
    ...seenInRow(89, 'SHOULD'),
    id: 'client-range-of-nothing',
    title: 'a request for the last bytes of an empty blob returns the empty blob',
    sentence:
      'A suffix range that is not 0 can always be satisfied (RFC 9110, section 14.1.2): readers that read the end of a file first fail on 416.',
    needs: ['blob-pull'],
    async run(probe) {
      const digest = await pushBlob(probe, new Uint8Array())
      const answer = await askForBlob(probe, digest, { headers: { Range: 'bytes=-51' } })
      wantStatus(answer, 200)
      wantBody(answer, new Uint8Array())
    },
  },
  {
    ...seenInRow(90, 'SHOULD'),
    id: 'client-n-empty',
    title: 'an empty n parameter means no limit',
    sentence: 'Clients that build every query in the same way send "n=" if they want no limit.',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      await pushArtifact(probe, 'latest')
      const plain = await probe.send({ method: 'GET', target: `/v2/${probe.repository}/tags/list` })
      const empty = await probe.send({ method: 'GET', target: `/v2/${probe.repository}/tags/list?n=` })
      wantStatus(empty, 200)
      wantBody(empty, plain.body)
    },
  },
]
