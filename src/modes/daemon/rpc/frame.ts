/** Requests as they come over the socket, or out of a release note: checked before anything is done with them. */
import * as v from 'valibot';
import { CniCode, CniError } from '../../../cni/errors.ts';
import { type Call, protocolVersion } from '../../protocol.ts';

const Request = v.object({
  jsonrpc: v.literal('2.0'),
  id: v.union([v.number(), v.string()]),
  method: v.picklist(['ADD', 'DEL', 'CHECK', 'GC', 'STATUS']),
  params: v.object({
    protocol: v.number(),
    release: v.string(),
    callId: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{8,32}$/))),
    containerId: v.string(),
    ifName: v.string(),
    netns: v.string(),
    args: v.string(),
    config: v.record(v.string(), v.unknown()),
  }),
});

export interface Request {
  readonly method: v.InferOutput<typeof Request>['method'];
  readonly params: Call;
}

/**
 * @throws SyntaxError if the text is no request; CniError if it is one of another protocol version, saying which side to
 * upgrade
 */
export function parseRequest(text: string): Request {
  const value: unknown = JSON.parse(text);
  const { protocol, release } = versionOf(value);
  if (protocol !== undefined && protocol !== protocolVersion) {
    const older = protocol < protocolVersion ? 'plugin' : 'daemon';
    throw new CniError(
      CniCode.tryAgain,
      `the plugin (release ${release}) speaks protocol ${protocol}, the daemon protocol ${protocolVersion}`,
      `Upgrade the ${older}: install the same release of infoblox-cni as plugin and daemon, and restart the daemon.`,
    );
  }
  const parsed = v.safeParse(Request, value);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw new SyntaxError(`no request of the plugin: ${v.getDotPath(issue) ?? 'it'} is ${issue.received}`);
}

function versionOf(value: unknown): { protocol?: number; release?: string } {
  const parsed = v.safeParse(v.object({ params: v.object({ protocol: v.number(), release: v.string() }) }), value);
  return parsed.success ? parsed.output.params : {};
}
