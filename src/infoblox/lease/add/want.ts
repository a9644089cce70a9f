/** What one ADD wants, as its caller says, and as the files that take its address know it. */
import type { SharedWork } from '../../concurrency/single-flight.ts';
import type { GridError } from '../../errors.ts';
import type { SandboxIdentity } from '../../host.ts';
import type { Attachment } from '../../mark.ts';
import type { NetworkSpec } from '../../network/spec.ts';
import type { Workload } from '../../workload.ts';
import type { Look } from '../plan.ts';

export interface AddRequest {
  readonly attachment: Attachment;
  readonly spec: NetworkSpec;
  /** This address and no other. */
  readonly requested?: string | undefined;
  readonly workload: Workload;
  /** Path of the container's network namespace. */
  readonly netns: string;
  /** Names this call, so that its caller can say later that it got no answer. */
  readonly callId: string;
}

export interface Want extends AddRequest {
  readonly mark: string;
  readonly sandbox: SandboxIdentity;
  readonly work: SharedWork;
  /** False if the grid can hold nothing of the attachment yet: then one request is enough. */
  readonly mayBeOnGrid: boolean;
  /** What the grid has shown already, if nobody can confirm it. */
  readonly first: Look | undefined;
  /** Told what taking the address is waiting for. */
  readonly delayedBy: (why: GridError) => void;
}
