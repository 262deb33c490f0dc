import assert from 'node:assert/strict'

/** Reads a list to its end by its Link headers. @returns the body of each page */
export async function followLinks<Body>(first: string | URL): Promise<Body[]> {
  const bodies: Body[] = []
  for (let next: URL | undefined = new URL(first); next !== undefined; ) {
    assert.ok(bodies.length < 1000, 'the list has no end')
    const page = await fetch(next)
    assert.equal(page.status, 200, await page.clone().text())
    bodies.push((await page.json()) as Body)
    next = nextOf(page)
  }
  return bodies
}

/** Where the `Link` header of a page leads to, as a strict client reads it: a path of the same server in angle brackets. */
export function nextOf(page: Response): URL | undefined {
  const link = page.headers.get('link')
  if (link === null) return undefined
  const target = /^<(\/v2\/[^<>"\s]*)>; rel="next"$/.exec(link)?.[1]
  assert.ok(target !== undefined, `Link: ${link}`)
  return new URL(target, page.url)
}
