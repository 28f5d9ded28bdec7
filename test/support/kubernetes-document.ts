import { parseAllDocuments } from 'yaml'

export interface KubernetesDocument {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
}

/** What `kubernetes-models` has for a kind: a class whose `validate` runs the schema on `this`. */
interface Model {
  readonly prototype: { validate(this: object): void }
}

const MODELS: Readonly<Record<string, () => Promise<Readonly<Record<string, Model>>>>> = {
  'v1 ConfigMap': () => import('kubernetes-models/v1/ConfigMap'),
  'v1 Namespace': () => import('kubernetes-models/v1/Namespace'),
  'v1 PersistentVolumeClaim': () => import('kubernetes-models/v1/PersistentVolumeClaim'),
  'v1 Service': () => import('kubernetes-models/v1/Service'),
  'v1 ServiceAccount': () => import('kubernetes-models/v1/ServiceAccount'),
  'apps/v1 Deployment': () => import('kubernetes-models/apps/v1/Deployment'),
  'networking.k8s.io/v1 Ingress': () => import('kubernetes-models/networking.k8s.io/v1/Ingress'),
  'networking.k8s.io/v1 NetworkPolicy': () => import('kubernetes-models/networking.k8s.io/v1/NetworkPolicy'),
  'policy/v1 PodDisruptionBudget': () => import('kubernetes-models/policy/v1/PodDisruptionBudget'),
  'monitoring.coreos.com/v1 ServiceMonitor': () =>
    import('@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor'),
}

/** The documents of a file; empty ones are left out. */
export function kubernetesDocuments(yaml: string): readonly KubernetesDocument[] {
  const documents = parseAllDocuments(yaml)
  if (!Array.isArray(documents)) return []
  return documents.map((document) => document.toJS() as KubernetesDocument).filter(Boolean)
}

/**
 * What is wrong with a document by the schema of its kind: a wrong type, something required that is not there, or a field that
 * the schema does not know, which the schemas themselves let through.
 */
export async function kubernetesMistakes(document: KubernetesDocument): Promise<readonly string[]> {
  const { apiVersion, kind } = document
  const load = MODELS[`${apiVersion} ${kind}`]
  if (load === undefined) return [`${apiVersion} ${kind} is not known`]
  const { [kind]: model } = await load()
  const unread = new Set<string>()
  try {
    model!.prototype.validate.call(watched(document, '', unread))
  } catch (error) {
    return [(error as Error).message]
  }
  return [...unread].map((path) => `${path.slice(1)} is not known`)
}

/** `value`, with the paths of all that nobody has read of it in `unread`: a schema reads every field that it knows. */
function watched(value: object, path: string, unread: Set<string>): object {
  for (const key of Object.keys(value)) unread.add(`${path}.${key}`)
  const inner = new Map<string, object>()
  return new Proxy(value, {
    get(target, key, receiver) {
      const found: unknown = Reflect.get(target, key, receiver)
      if (typeof key !== 'string' || !Object.hasOwn(target, key)) return found
      const at = `${path}.${key}`
      unread.delete(at)
      if (typeof found !== 'object' || found === null) return found
      if (!inner.has(key)) inner.set(key, watched(found, at, unread))
      return inner.get(key)
    },
  })
}
