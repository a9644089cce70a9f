/**
 * The workload of an attachment, by the caller's names: for people who read a reservation, the log or the history. No
 * decision depends on it.
 */
import * as v from 'valibot';
import type { Fields } from './log.ts';
import { attachmentIn } from './mark.ts';

/**
 * Maximum characters of a value: those of a Kubernetes name. Container IDs and other orchestrators' names have no
 * limit.
 */
const maxValueLength = 253;

const text = v.exactOptional(v.string());

const Workload = v.object({
  /** The whole ID; a mark may shorten it. */
  containerId: v.string(),
  namespace: text,
  pod: text,
  job: text,
  taskGroup: text,
  region: text,
  /** The orchestrator's own ID, if it is not the container's. */
  uid: text,
});
export type Workload = Readonly<v.InferOutput<typeof Workload>>;

/** Makes a workload of texts from outside: each one line of at most 253 characters, without empty ones. */
export function workloadFrom({ containerId, uid, ...names }: Record<keyof Workload, string | undefined>): Workload {
  const id = oneLine(containerId ?? '', maxValueLength);
  const lines = Object.entries({ ...names, uid: uid === id ? undefined : uid })
    .map(([part, value = '']) => [part, oneLine(value, maxValueLength)] as const)
    .filter(([, line]) => line !== '');
  return v.parse(Workload, { containerId: id, ...Object.fromEntries(lines) });
}

/** Names a workload: `namespace/pod`, `namespace/job.taskGroup`, or else its container ID. */
export function workloadName({ containerId, namespace, pod, job, taskGroup }: Workload): string {
  const name = pod ?? (job === undefined || taskGroup === undefined ? job : `${job}.${taskGroup}`);
  if (name === undefined) return containerId;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Returns the workload of a lease; without one, as after an import, the container ID of its mark. */
export function workloadOfLease({ mark, workload }: { mark: string; workload: Workload | null }): Workload {
  return workload ?? { containerId: attachmentIn(mark).containerId };
}

/** Returns the log fields of a workload, for a line that names its container anyway. */
export function workloadFields(workload: Workload | null): Fields {
  const { containerId, ...names } = workload ?? {};
  return names;
}

/** Serializes a workload for the state. */
export function workloadText(workload: Workload | null): string | null {
  return workload === null ? null : JSON.stringify(workload);
}

/** The schema of a text of `workloadText`. Gives null for anything else, since no lease may be lost over it. */
export const StoredWorkload = v.fallback(v.nullable(v.pipe(v.string(), v.parseJson(), Workload)), null);

/** Makes a text from outside one line of limited length without surrounding space. */
export function oneLine(text: string, maxLength: number): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, maxLength)
    .trim()
    .toWellFormed();
}
