/**
 * What runs at an attachment, in the words of whoever started it: for people who look at a reservation, a log or the history.
 * Nothing is decided by it.
 */
import * as v from 'valibot';
import type { Fields } from './log.ts';
import { attachmentIn } from './mark.ts';

/** Characters of a value: those of a Kubernetes name. Container IDs, and what other orchestrators send, have no limit. */
const maxValueLength = 253;

const text = v.exactOptional(v.string());

const Workload = v.object({
  /** Whole, where a mark shortens it. */
  containerId: v.string(),
  namespace: text,
  pod: text,
  job: text,
  taskGroup: text,
  region: text,
  /** The orchestrator's own ID of it, where that is not the container's. */
  uid: text,
});
export type Workload = Readonly<v.InferOutput<typeof Workload>>;

/** Makes a workload of texts from outside: each one line of at most 253 characters, and none that is empty. */
export function workloadFrom({ containerId, uid, ...names }: Record<keyof Workload, string | undefined>): Workload {
  const id = oneLine(containerId ?? '', maxValueLength);
  const lines = Object.entries({ ...names, uid: uid === id ? undefined : uid })
    .map(([part, value = '']) => [part, oneLine(value, maxValueLength)] as const)
    .filter(([, line]) => line !== '');
  return v.parse(Workload, { containerId: id, ...Object.fromEntries(lines) });
}

/** Names a workload: `namespace/pod`, `namespace/job.taskGroup`, or its container ID where nothing else is known. */
export function workloadName({ containerId, namespace, pod, job, taskGroup }: Workload): string {
  const name = pod ?? (job === undefined || taskGroup === undefined ? job : `${job}.${taskGroup}`);
  if (name === undefined) return containerId;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** What is known of the workload of a lease: for one without, as after an import, what its mark says. */
export function workloadOfLease({ mark, workload }: { mark: string; workload: Workload | null }): Workload {
  return workload ?? { containerId: attachmentIn(mark).containerId };
}

/** Names a workload in a line of the log that names its container anyway. */
export function workloadFields(workload: Workload | null): Fields {
  const { containerId, ...names } = workload ?? {};
  return names;
}

/** Writes a workload as the state has it. */
export function workloadText(workload: Workload | null): string | null {
  return workload === null ? null : JSON.stringify(workload);
}

/** Reads what `workloadText` has written; null for anything else, for no lease shall be lost over it. */
export function readWorkload(text: string | null): Workload | null {
  if (text === null) return null;
  try {
    return v.parse(Workload, JSON.parse(text));
  } catch {
    return null;
  }
}

/** Writes a text from outside as one line, of so many characters at most, without space around it. */
export function oneLine(text: string, maxLength: number): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, maxLength)
    .trim()
    .toWellFormed();
}
