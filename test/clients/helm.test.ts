import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { sha256 } from './image.ts'
import { servedManifest, servedTags, servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('helm')
after(() => session.close())

const { host } = session
const plain = '--plain-http'
const chartType = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip'
const helm = (...args: string[]) => session.run('helm', args)

type ChartOptions = { version?: string; dependency?: string }

/** Writes and packages a chart `tiny`: the folder and the package's file in it. */
async function packagedChart({ version = '1.0.0', dependency = '' }: ChartOptions = {}) {
  const folder = await session.folder()
  const chart = join(folder, 'chart')
  await mkdir(join(chart, 'templates'), { recursive: true })
  await writeFile(join(chart, 'Chart.yaml'), `apiVersion: v2\nname: tiny\nversion: ${version}\n${dependency}`)
  const template = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-tiny\n'
  await writeFile(join(chart, 'templates', 'config-map.yaml'), template)
  if (dependency) await helm('dependency', 'update', plain, chart)
  await helm('package', chart, '--destination', folder)
  return { folder, file: join(folder, `tiny-${version}.tgz`) }
}

/** Pushes a chart below a repository prefix and answers the digest that helm names. */
async function pushChart(file: string, repository: string): Promise<string> {
  const { stdout, stderr } = await helm('push', file, `oci://${host}/${repository}`, plain)
  return /Digest: (sha256:[0-9a-f]{64})/.exec(stdout + stderr)?.[1] ?? ''
}

async function pulledChart(chart: string, ...flags: string[]): Promise<string> {
  const out = await session.folder()
  await helm('pull', `oci://${host}/${chart}`, plain, '--destination', out, ...flags)
  return out
}

test('helm pushes a chart and pulls the same bytes by version and by digest', async () => {
  const repository = session.repository('charts')
  const { file } = await packagedChart()
  const digest = await pushChart(file, repository)
  const { descriptor, manifest } = await servedManifest(host, `${repository}/tiny`, '1.0.0')
  assert.equal(descriptor.digest, digest)
  assert.equal(manifest.config?.mediaType, 'application/vnd.cncf.helm.config.v1+json')
  const bytes = await readFile(file)
  const layers = manifest.layers?.map((layer) => [layer.mediaType, layer.digest])
  assert.deepEqual(layers, [[chartType, sha256(bytes)]])
  assert.equal((await servedTree(host, `${repository}/tiny`, '1.0.0')).length, 3)
  const byVersion = await pulledChart(`${repository}/tiny`, '--version', '1.0.0')
  assert.deepEqual(await readFile(join(byVersion, 'tiny-1.0.0.tgz')), bytes)
  const byDigest = await pulledChart(`${repository}/tiny@${digest}`)
  assert.deepEqual(await readFile(join(byDigest, `tiny@${digest.replace(':', '-')}.tgz`)), bytes)
})

test('helm pushes a chart with build metadata under a tag with an underscore', async () => {
  const repository = session.repository('charts')
  const { file } = await packagedChart({ version: '1.2.0+build.5' })
  await pushChart(file, repository)
  assert.deepEqual(await servedTags(host, `${repository}/tiny`), ['1.2.0_build.5'])
  const out = await pulledChart(`${repository}/tiny`, '--version', '1.2.0+build.5')
  assert.deepEqual(await readFile(join(out, 'tiny-1.2.0+build.5.tgz')), await readFile(file))
})

test('helm finds the newest version of a range in the list of tags', async () => {
  const repository = session.repository('charts')
  for (const version of ['1.0.0', '1.9.0', '1.10.0', '2.0.0']) {
    await pushChart((await packagedChart({ version })).file, repository)
  }
  const chart = [`oci://${host}/${repository}/tiny`, plain, '--version']
  assert.match((await helm('show', 'chart', ...chart, '^1')).stdout, /^version: 1\.10\.0$/m)
  assert.match((await helm('show', 'chart', ...chart, '>=1')).stdout, /^version: 2\.0\.0$/m)
  await session.refuse('helm', ['show', 'chart', ...chart, '^3'])
})

test('helm renders a chart straight from the registry', async () => {
  const repository = session.repository('charts')
  await pushChart((await packagedChart()).file, repository)
  const rendered = await helm('template', 'release', `oci://${host}/${repository}/tiny`, plain)
  assert.match(rendered.stdout, /^ {2}name: release-tiny$/m)
})

test('helm pushes a provenance file beside its chart and pulls both', async () => {
  const repository = session.repository('charts')
  const { file } = await packagedChart()
  await writeFile(`${file}.prov`, 'provenance that nobody verifies here\n')
  await pushChart(file, repository)
  const out = await pulledChart(`${repository}/tiny`, '--prov')
  for (const name of ['tiny-1.0.0.tgz', 'tiny-1.0.0.tgz.prov']) {
    assert.deepEqual(await readFile(join(out, name)), await readFile(join(file, '..', name)))
  }
})

test('helm fetches the dependency of a chart from the registry', async () => {
  const repository = session.repository('charts')
  const { file } = await packagedChart()
  await pushChart(file, repository)
  const dependency = `dependencies:\n- name: tiny\n  version: ~1.0\n  repository: oci://${host}/${repository}\n`
  const { folder } = await packagedChart({ version: '5.0.0', dependency })
  const fetched = await readFile(join(folder, 'chart', 'charts', 'tiny-1.0.0.tgz'))
  assert.deepEqual(fetched, await readFile(file))
})
