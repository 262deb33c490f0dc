import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { DEFAULTS, parseConfig } from '../../src/config.ts'
import { SETTING_NAMES, variableOf } from '../../src/settings/table.ts'
import { temporaryFolder } from '../stowage.ts'
import { findObstacle, projectFile, readKubernetes, runProgram } from './manifests.ts'

/** What was cut still has to be written down. */
const AFTER_DRAIN_S = 5
const skip = await findObstacle()

/** Rejects unless each document of a file follows the schema of its kind, without a field too many. */
function checkKubernetes(file: string): Promise<string> {
  return runProgram('kubernetes-validate', ['--strict', file])
}

test('deploy/kubernetes.yaml follows the schemas of Kubernetes', { skip }, async (t) => {
  const file = projectFile('deploy/kubernetes.yaml')
  await checkKubernetes(file)
  const wrong = join(await temporaryFolder(t), 'wrong.yaml')
  await writeFile(
    wrong,
    (await readFile(file, 'utf8')).replace('terminationGracePeriodSeconds', 'gracePeriod'),
  )
  await assert.rejects(checkKubernetes(wrong))
})

test('deploy/compose.yaml follows the schema of compose files', { skip }, async () => {
  await runProgram('check-jsonschema', [
    ...['--builtin-schema', 'vendor.compose-spec', projectFile('deploy/compose.yaml')],
  ])
})

test('what deploy/kubernetes.yaml says of names, ports and places fits together, and fits the Dockerfile', {
  skip,
}, async () => {
  const { Deployment, Service, NetworkPolicy, PersistentVolumeClaim } = await readKubernetes()
  assert.ok(Deployment && Service && NetworkPolicy && PersistentVolumeClaim)
  const { metadata, spec: pod } = Deployment.spec.template
  const [container] = pod.containers
  const dockerfile = await readFile(projectFile('Dockerfile'), 'utf8')
  const { version } = JSON.parse(await readFile(projectFile('package.json'), 'utf8'))
  assert.equal(container.image.split(':').at(-1), version)
  assert.deepEqual([Deployment.spec.replicas, Deployment.spec.strategy.type], [1, 'Recreate'])
  assert.deepEqual(Deployment.spec.selector, { matchLabels: metadata.labels })
  assert.deepEqual(Service.spec.selector, metadata.labels)
  assert.deepEqual(NetworkPolicy.spec.podSelector.matchLabels, metadata.labels)
  const [port] = container.ports ?? []
  assert.match(dockerfile, new RegExp(`^EXPOSE ${port?.containerPort}$`, 'm'))
  assert.deepEqual(
    Service.spec.ports.map(({ targetPort }) => targetPort),
    [port?.name],
  )
  for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe])
    assert.equal(probe?.httpGet.port, port?.name)
  const [volume] = pod.volumes
  assert.equal(volume?.persistentVolumeClaim.claimName, PersistentVolumeClaim.metadata.name)
  assert.deepEqual(container.volumeMounts, [{ name: volume?.name, mountPath: '/data' }])
  assert.match(dockerfile, /^VOLUME \/data$/m)
})

test('the pod of deploy/kubernetes.yaml has settings that exist, and time to stop', { skip }, async () => {
  const { Deployment } = await readKubernetes()
  const { terminationGracePeriodSeconds: grace, containers } = Deployment?.spec.template.spec ?? {}
  const [{ args, env }] = containers ?? assert.fail('it has no containers')
  assert.deepEqual(args, ['--allow-anonymous'])
  const given = env.map(({ name, value }) => {
    const setting = SETTING_NAMES.find((each) => variableOf(each) === name)
    assert.ok(setting, `${name} is no setting`)
    return [setting, value]
  })
  const config = parseConfig({
    ...DEFAULTS,
    ...Object.fromEntries(given),
    listen: ':5000',
    allowAnonymous: true,
  })
  const needed = (config.shutdownDelay + config.drainTimeout) / 1000 + AFTER_DRAIN_S
  assert.ok(grace !== undefined && grace >= needed, `${grace} s are less than ${needed}`)
})
