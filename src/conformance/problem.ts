const CONNECTION_PROBLEMS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there (connection refused)',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be resolved at the moment',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  UND_ERR_SOCKET: 'the connection was closed before the response was complete',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the response are too long',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; trust it with NODE_EXTRA_CA_CERTS',
  SELF_SIGNED_CERT_IN_CHAIN:
    'its certificate was issued by an unknown authority; trust it with NODE_EXTRA_CA_CERTS',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate was issued by an unknown authority; trust it with NODE_EXTRA_CA_CERTS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak https; try http://',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak https; try http://',
}

/** Why a request had no answer, in one line for people. */
export function problemOf(error: unknown): string {
  const chain = causesOf(error)
  for (const each of chain) {
    const { code, name } = each as { code?: unknown; name?: unknown }
    if (name === 'TimeoutError') return 'no complete response in time'
    const known = CONNECTION_PROBLEMS[String(code)]
    if (known !== undefined) return known
  }
  const last = chain.at(-1)
  return (last instanceof Error ? last.message : String(last)).split('\n', 1)[0] || 'no answer'
}

/** An error, its cause, and so on. fetch hides the actual problem in the causes. */
function causesOf(error: unknown): unknown[] {
  const chain: unknown[] = []
  for (let at = error; at !== undefined && chain.length < 8; at = nextOf(at)) chain.push(at)
  return chain
}

function nextOf(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors[0]
  return error instanceof Error ? (error.cause ?? undefined) : undefined
}
