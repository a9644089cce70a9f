/** A built host whose operator types commands. */
import { BuiltHost } from '../built-host.ts';
import { daemonFile, type Run, run } from '../program.ts';

/** Milliseconds: thousands of requests to the grid take a while. */
const timeoutMs = 60_000;

export class OperatorHost extends BuiltHost {
  /** Runs an operator's command with the flags that locate this host's daemon. */
  command(name: string, ...args: readonly string[]): Promise<Run> {
    return this.type(name, ...args, `--socket-dir=${this.socketDir}`);
  }

  /** Runs the daemon's executable with exactly these arguments; reads an environment file only if one is named. */
  type(...args: readonly string[]): Promise<Run> {
    const [file = daemonFile, ...rest] = [...this.inside, daemonFile, ...args];
    return run(file, rest, {}, 'null', timeoutMs);
  }
}
