import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Where .ci/deploy-setup puts Python programs. */
const PROGRAMS = fileURLToPath(new URL('../../.cache/deploy/python/bin/', import.meta.url))
const TO_JSON = 'import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)'

const execute = promisify(execFile)

/** The path of a file of the project. */
export function projectFile(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}

/** Runs one of the Python programs of requirements.txt. Rejects with what it wrote unless it succeeds. */
export async function runProgram(name: string, args: readonly string[]): Promise<string> {
  return (await execute(`${PROGRAMS}${name}`, args)).stdout
}

/** Why YAML cannot be read here; false if it can. */
export async function findObstacle(): Promise<string | false> {
  return await access(`${PROGRAMS}python`).then(
    () => false,
    () => 'run .ci/deploy-setup: its Python programs are not there',
  )
}

/** The documents of a YAML file of the project. */
export async function readYaml<T>(path: string): Promise<T[]> {
  return JSON.parse(await runProgram('python', ['-c', TO_JSON, projectFile(path)]))
}

/** A probe of Kubernetes. */
export interface Probe {
  httpGet: { path: string; port: string }
}

/** What the tests read of deploy/kubernetes.yaml. */
export interface KubernetesContainer {
  image: string
  imagePullPolicy?: string
  args: string[]
  env: { name: string; value: string }[]
  ports?: { name: string; containerPort: number }[]
  startupProbe?: Probe
  livenessProbe?: Probe
  readinessProbe?: Probe
  volumeMounts: { name: string; mountPath: string }[]
}

/** One document of deploy/kubernetes.yaml; what it has depends on its kind. */
export interface KubernetesObject {
  kind: string
  metadata: { name: string }
  spec: {
    replicas: number
    strategy: { type: string }
    selector: unknown
    podSelector: { matchLabels: unknown }
    ports: { port: number; targetPort: string }[]
    template: {
      metadata: { labels: unknown }
      spec: {
        terminationGracePeriodSeconds: number
        containers: [KubernetesContainer]
        volumes: { name: string; persistentVolumeClaim: { claimName: string } }[]
      }
    }
  }
}

/** The documents of deploy/kubernetes.yaml by their kinds. */
export async function readKubernetes(): Promise<Record<string, KubernetesObject>> {
  const objects = await readYaml<KubernetesObject>('deploy/kubernetes.yaml')
  return Object.fromEntries(objects.map((object) => [object.kind, object]))
}
