import { tagCases } from '../../src/conformance/cases/specification/tags.ts'
import { asking, at, header, json, type KnownBad, status, testCases } from './known-bad.ts'

const LIMITED = at('GET tags', /\?n=[1-9]\d*$/)
const NONE = at('GET tags', /\?n=0/)
const AFTER = at('GET tags', /last=/)
const FOR_ORDER = at('GET tags', /last-order.*last=/)
const PAGED = at('GET tags', /pages.*n=2/)

const TABLE: readonly KnownBad[] = [
  { id: 'tags-list', does: 'has no list of tags', fault: status('GET tags', 404) },
  {
    id: 'tags-list-form',
    does: 'lists tags as an array',
    fault: json('GET tags', ({ tags }) => tags),
  },
  {
    id: 'tags-list-whole',
    does: 'lists digests, too',
    fault: json(at('GET tags', /whole/), (body) => ({ ...body, tags: [...body.tags, 'sha256-0'] })),
  },
  {
    id: 'tags-list-empty',
    does: 'knows no repository without tags',
    fault: status(at('GET tags', /empty/), 404),
  },
  {
    id: 'tags-list-order',
    does: 'lists tags from the last to the first',
    fault: json(at('GET tags', /list-order/), (body) => ({ ...body, tags: body.tags.toReversed() })),
  },
  {
    id: 'tags-list-n',
    does: 'lists one tag more than it was asked for',
    fault: asking(LIMITED, ({ query }) => ({
      query: new URLSearchParams({ n: `${Number(query.get('n')) + 1}` }),
    })),
  },
  {
    id: 'tags-list-n-fewer',
    does: 'does not say that there are more tags',
    fault: (app) =>
      header(LIMITED, 'Link')(json(LIMITED, (body) => ({ ...body, tags: body.tags.slice(1) }))(app)),
    alsoFails: [['tags-list-n-start', 'the tag that is left out is the first']],
  },
  {
    id: 'tags-list-n-start',
    does: 'lists the last tags where it was asked for some',
    fault: json(at('GET tags', /n-start.*n=3/), (body) => ({
      ...body,
      tags: body.tags.map((tag) => `${tag}x`),
    })),
  },
  {
    id: 'tags-list-n-order',
    does: 'lists some tags in no order',
    fault: json(LIMITED, (body) => ({ ...body, tags: body.tags.toReversed() })),
    alsoFails: [['tags-list-n-start', 'what is not in order does not begin as the list does']],
  },
  {
    id: 'tags-list-n-zero',
    does: 'takes no tags for all tags',
    fault: asking(NONE, () => ({ query: new URLSearchParams() })),
  },
  {
    id: 'tags-list-n-zero-link',
    does: 'leads on from no tags to all of them',
    fault: header(NONE, 'Link', '</v2/>; rel="next"'),
  },
  {
    id: 'tags-list-link',
    does: 'writes links without angle brackets',
    fault: header(at('GET tags', /list-link\/tags/), 'Link', '/v2/; rel="next"'),
  },
  {
    id: 'tags-list-pages',
    does: 'leads from the first page to the third',
    fault: header(PAGED, 'Link', (link) => link.replace(/last=[^&>]*/, 'last=latest')),
  },
  {
    id: 'tags-list-last',
    does: 'begins with the last tag that is known',
    fault: json(AFTER, (body, { query }) => ({
      ...body,
      tags: [query.get('last'), ...body.tags].slice(0, 3),
    })),
    alsoFails: [['tags-list-pages', 'each page begins with the last tag of the one before']],
  },
  {
    id: 'tags-list-last-alone',
    does: 'ignores the last tag where it has no number',
    fault: asking(at('GET tags', /\?last=[^&]*$/), () => ({ query: new URLSearchParams() })),
  },
  {
    id: 'tags-list-last-order',
    does: 'lists tags behind another in no order',
    fault: json(FOR_ORDER, (body) => ({ ...body, tags: body.tags.toReversed() })),
  },
]

testCases('tags', tagCases, TABLE)
