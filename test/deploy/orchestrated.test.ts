import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePort } from '../clients/free-port.ts'
import { wholeFile } from '../whole-file.ts'
import { IMAGE, openContainerStore } from './container-store.ts'
import { type KubernetesObject, projectFile, readKubernetes } from './manifests.ts'
import { becomesReady, pull, push } from './running-container.ts'

const store = await openContainerStore()
wholeFile.after(() => store.close())
const { podman, run, folder } = store
const obstacle = await store.findObstacle()
if (obstacle === undefined) await store.build()
const skip = obstacle ?? false

/** How a container is confined. */
async function confinement(name: string) {
  const [{ HostConfig: host, Config: config, EffectiveCaps: capabilities }] = JSON.parse(
    await podman('inspect', name),
  )
  return { user: config.User, readOnly: host.ReadonlyRootfs, capabilities, options: host.SecurityOpt }
}

test('podman-compose runs deploy/compose.yaml: an image is pushed and pulled, and a stop ends with 0', {
  skip,
}, async () => {
  const host = `127.0.0.1:${await freePort()}`
  const name = 'compose-stowage'
  const overrides = join(folder, 'overrides.yaml')
  const service = { container_name: name, network_mode: 'host', environment: { STOWAGE_LISTEN: host } }
  await writeFile(overrides, JSON.stringify({ services: { stowage: service } }))
  const files = ['-f', projectFile('deploy/compose.yaml'), '-f', overrides]
  const compose = (...args: string[]) => run('podman-compose', [...files, ...args])
  await compose('up', '--detach', '--no-build')
  await becomesReady(store, { name, host })
  assert.deepEqual(await push(store, host), await pull(store, host))
  const { readOnly, capabilities } = await confinement(name)
  assert.deepEqual({ readOnly, capabilities }, { readOnly: true, capabilities: null })
  await compose('stop')
  assert.equal(await podman('inspect', '--format', '{{.State.ExitCode}}', name), '0')
  await compose('down', '--volumes')
})

/** What of the manifest podman can run where a container has the network of this machine: no ports, and no probes, which name one. */
function runnable(objects: Record<string, KubernetesObject>, host: string): string {
  const { PersistentVolumeClaim: claim, Deployment: deployment } = objects
  assert.ok(claim !== undefined && deployment !== undefined)
  const [container] = deployment.spec.template.spec.containers
  const { ports: _ports, startupProbe: _s, livenessProbe: _l, readinessProbe: _r, ...rest } = container
  const env = [...rest.env, { name: 'STOWAGE_LISTEN', value: host }]
  deployment.spec.template.spec.containers = [
    { ...rest, image: `${IMAGE}:latest`, imagePullPolicy: 'Never', env },
  ]
  return [claim, deployment].map((object) => JSON.stringify(object)).join('\n---\n')
}

test('podman runs the pod of deploy/kubernetes.yaml: its probes succeed, an image is pushed and pulled, and a stop ends with 0', {
  skip,
}, async () => {
  const host = `127.0.0.1:${await freePort()}`
  const objects = await readKubernetes()
  const { startupProbe, livenessProbe, readinessProbe } =
    objects.Deployment?.spec.template.spec.containers[0] ?? {}
  const file = join(folder, 'pod.yaml')
  await writeFile(file, runnable(objects, host))
  await podman('kube', 'play', '--network', 'host', file)
  const name = 'stowage-pod-0-stowage'
  await becomesReady(store, { name, host })
  for (const probe of [startupProbe, livenessProbe, readinessProbe])
    assert.equal((await fetch(`http://${host}${probe?.httpGet.path}`)).status, 200)
  assert.deepEqual(await push(store, host), await pull(store, host))
  const { user, readOnly } = await confinement(name)
  assert.deepEqual({ user, readOnly }, { user: '10001:10001', readOnly: true })
  await podman('stop', '--time', '75', name)
  assert.equal(await podman('inspect', '--format', '{{.State.ExitCode}}', name), '0')
})
