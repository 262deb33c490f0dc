import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A certificate for this machine that signs itself, and its key, as files. */
export interface TestCertificate {
  certFile: string
  keyFile: string
  cert: string
  fingerprint: string
}

/** Makes a certificate in a folder. */
export async function makeCertificate(folder: string, name: string): Promise<TestCertificate> {
  const certFile = join(folder, `${name}.pem`)
  const keyFile = join(folder, `${name}.key`)
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc']
  const files = ['-keyout', keyFile, '-out', certFile]
  await promisify(execFile)('openssl', ['req', '-x509', ...curve, '-days', '2', ...subject, ...files])
  const cert = await readFile(certFile, 'utf8')
  return { certFile, keyFile, cert, fingerprint: new X509Certificate(cert).fingerprint256 }
}
