import { manifestDeletionCases } from '../../src/conformance/cases/specification/manifest-deletions.ts'
import { manifestPullCases } from '../../src/conformance/cases/specification/manifests.ts'
import { asking, at, header, type KnownBad, refusing, status, testCases } from './known-bad.ts'

const PULLED_BY_DIGEST = at('GET manifest', /\/sha256:/)
const PULLED_BY_TAG = at('GET manifest', /manifests\/[^:]*$/)
const HEAD_BY_DIGEST = at('HEAD manifest', /\/sha256:/)
const HEAD_BY_TAG = at('HEAD manifest', /manifests\/[^:]*$/)
const OTHER = `sha256:${'0'.repeat(64)}`
const DELETED = () => ({ status: 202, headers: { 'Content-Length': '0' } })

const PULLS: readonly KnownBad[] = [
  {
    id: 'manifest-pull-by-digest',
    does: 'finds no manifest by its digest',
    fault: status(PULLED_BY_DIGEST, 404),
  },
  {
    id: 'manifest-pull-by-tag',
    does: 'finds no manifest by its tag',
    fault: status(PULLED_BY_TAG, 404),
  },
  {
    id: 'manifest-pull-moved-tag',
    does: 'keeps a tag where it was first',
    fault: (app) => {
      const seen = new Set<string>()
      return asking('PUT manifest', ({ path }) => {
        if (seen.has(path)) return { path: `${path}-again` }
        seen.add(path)
        return {}
      })(app)
    },
  },
  {
    id: 'manifest-pull-content-type',
    does: 'answers every manifest as bytes',
    fault: header('GET manifest', 'Content-Type', 'application/octet-stream'),
  },
  {
    id: 'manifest-pull-content-type-bare',
    does: 'adds a charset to media types',
    fault: header('GET manifest', 'Content-Type', (type) => `${type}; charset=utf-8`),
  },
  {
    id: 'manifest-pull-digest',
    does: 'says no digest with a manifest',
    fault: header('GET manifest', 'Docker-Content-Digest'),
  },
  {
    id: 'manifest-pull-digest-right',
    does: 'says another digest with a manifest',
    fault: header('GET manifest', 'Docker-Content-Digest', OTHER),
  },
  {
    id: 'manifest-pull-unknown-digest',
    does: 'answers an unknown digest with 400',
    fault: status(PULLED_BY_DIGEST, 400, 404),
  },
  {
    id: 'manifest-pull-unknown-tag',
    does: 'answers an unknown tag with 400',
    fault: status(at('GET manifest', /absent/), 400, 404),
  },
  {
    id: 'manifest-pull-unknown-repository',
    does: 'answers an unknown repository with 403',
    fault: status(at('GET manifest', /latest/), 403, 404),
  },
  {
    id: 'manifest-head-by-digest',
    does: 'has no HEAD by digest',
    fault: status(HEAD_BY_DIGEST, 405, 200),
  },
  {
    id: 'manifest-head-by-tag',
    does: 'has no HEAD by tag',
    fault: status(HEAD_BY_TAG, 404, 200),
  },
  {
    id: 'manifest-head-digest',
    does: 'says no digest on HEAD',
    fault: header('HEAD manifest', 'Docker-Content-Digest'),
  },
  {
    id: 'manifest-head-length',
    does: 'says no size on HEAD',
    fault: header('HEAD manifest', 'Content-Length', '0'),
  },
  { id: 'manifest-head-unknown', does: 'knows everything on HEAD', fault: status('HEAD manifest', 200) },
]

const DELETIONS: readonly KnownBad[] = [
  {
    id: 'manifest-delete',
    does: 'answers a deletion with 204',
    fault: status(at('DELETE manifest', /sha256/), 204, 202),
  },
  {
    id: 'manifest-delete-gone',
    does: 'only says that it deletes the first manifest of a repository',
    fault: refusing(at('DELETE manifest', /delete-gone\/manifests\/sha256/), DELETED),
  },
  {
    id: 'manifest-delete-tags-gone',
    does: 'deletes a manifest only where nothing points to it',
    fault: refusing(at('DELETE manifest', /delete-tags-gone\/manifests\/sha256/), DELETED),
  },
  {
    id: 'manifest-delete-unknown-repository',
    does: 'deletes what is nowhere',
    fault: status(at('DELETE manifest', /sha256/), 202, 404),
  },
  {
    id: 'tag-delete',
    does: 'answers the deletion of a tag with 200',
    fault: status(at('DELETE manifest', /latest/), 200, 202),
  },
  {
    id: 'tag-delete-gone',
    does: 'only says that it deletes a tag',
    fault: refusing(at('DELETE manifest', /latest/), DELETED),
  },
]

testCases('pulling manifests', manifestPullCases, PULLS)
testCases('deleting manifests and tags', manifestDeletionCases, DELETIONS)
