import { headOf, type Operation } from './operation.ts'

const ready: Operation = {
  id: 'ready',
  summary: 'Check whether requests can be served',
  description:
    'Without a parameter, reports whether reads can be served. The answer is 503 while the server shuts down, while metadata or blobs cannot be read, ' +
    'or when the disk has not responded for 10 seconds. With `for=write` it is also 503 while writes would fail: the disk is full or ' +
    'read-only, or the database cannot be written. The result may be up to a second old. The cause is in the log.',
  query: {
    for: {
      description: 'Check writes as well, by committing a transaction and writing a file.',
      schema: { type: 'string', enum: ['write'] },
    },
  },
  answers: { 200: { description: 'Requests can be served.' } },
  errors: ['PARAMETER_INVALID'],
}

const live: Operation = {
  id: 'live',
  summary: 'Check that the process is running',
  answers: { 200: { description: 'The process is running.' } },
  errors: [],
}

const root: Operation = {
  id: 'root',
  summary: 'Identify the server',
  answers: {
    200: { description: 'This is a registry.', content: { 'text/plain': { type: 'string' } } },
  },
  errors: [],
}

const metrics: Operation = {
  id: 'metrics',
  summary: 'Read metrics',
  description:
    'Numbers about the whole server in the text format of Prometheus. Only with `--metrics on`; otherwise there is no such path. ' +
    '`--metrics-listen` serves the same on an address of its own.',
  answers: {
    200: { description: 'The metrics.', content: { 'text/plain': { type: 'string' } } },
  },
  errors: ['ROUTE_UNKNOWN'],
}

/** Endpoints outside the API, for supervisors and load balancers. They treat any other method like these. */
export const PROBES = {
  '/': { GET: root, HEAD: headOf(root) },
  '/livez': { GET: live, HEAD: headOf(live) },
  '/readyz': { GET: ready, HEAD: headOf(ready) },
  '/metrics': { GET: metrics, HEAD: headOf(metrics) },
} as const satisfies Record<string, Readonly<Record<'GET' | 'HEAD', Operation>>>
