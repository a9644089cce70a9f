/** What one ADD wants: shared by the files that take its address. */
import type { SharedWork } from '../../concurrency/single-flight.ts';
import type { GridError } from '../../errors.ts';
import type { Attachment } from '../../mark.ts';
import type { NetworkSpec } from '../../network/spec.ts';
import type { SandboxIdentity } from '../lease.ts';

export interface AddressRequest {
  readonly attachment: Attachment;
  readonly spec: NetworkSpec;
  /** This address and no other. */
  readonly requested?: string;
  /** What people call the container. */
  readonly workload: string;
}

export interface Want extends AddressRequest {
  readonly mark: string;
  readonly sandbox: SandboxIdentity;
  readonly work: SharedWork;
  /** False if the grid can hold nothing of the attachment yet: then one request is enough. */
  readonly mayBeOnGrid: boolean;
  /** Told what taking the address is waiting for. */
  readonly delayedBy: (why: GridError) => void;
}
