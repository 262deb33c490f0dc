import assert from 'node:assert/strict'

/** Sends JSON to an endpoint of ours in a repository. */
export async function postJson(
  url: string,
  endpoint: `${string} ${string}`,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const [name, path] = endpoint.split(' ')
  return await fetch(`${url}/v2/${name}/_stowage/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** What an answer says if it is 200. */
export async function answered(answer: Response | Promise<Response>): Promise<Record<string, unknown>> {
  const given = await answer
  assert.equal(given.status, 200, await given.clone().text())
  return (await given.json()) as Record<string, unknown>
}

interface ErrorEntry {
  code: string
  message: string
  detail?: Record<string, unknown>
}

/** Fails unless an answer is an error of this status and code. @returns the entries of its body */
export async function refusedBy(
  answer: Response | Promise<Response>,
  status: number,
  code: string,
): Promise<[ErrorEntry, ...ErrorEntry[]]> {
  const given = await answer
  assert.equal(given.status, status, await given.clone().text())
  const { errors } = (await given.json()) as { errors: [ErrorEntry, ...ErrorEntry[]] }
  for (const error of errors) assert.equal(error.code, code)
  return errors
}

/** Bodies that no endpoint takes, whatever its fields are, with what is said of each. */
export const BAD_BODIES: readonly [body: string, message: RegExp][] = [
  ['', /^body is not well-formed JSON/],
  ['[]', /^body is not a JSON object$/],
  ['{}', /^body is missing the field/],
  ['{"tag":"v1","digest":"x","from":1}', /^body has the unknown field "/],
]
