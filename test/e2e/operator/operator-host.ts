/** A built host whose operator types commands. */
import { BuiltHost } from '../built-host.ts';
import { daemonFile, type Run, run } from '../program.ts';

/** Milliseconds: what asks the grid thousands of times takes a while. */
const timeoutMs = 60_000;

export class OperatorHost extends BuiltHost {
  /** Runs a command of the operator, with the flags that lead it to this host's daemon. */
  command(name: string, ...args: readonly string[]): Promise<Run> {
    return this.type(name, ...args, `--socket-dir=${this.socketDir}`);
  }

  /** Runs the daemon's executable with these arguments and no other; no environment file is read but one that is named. */
  type(...args: readonly string[]): Promise<Run> {
    const [file = daemonFile, ...rest] = [...this.inside, daemonFile, ...args];
    return run(file, rest, {}, 'null', timeoutMs);
  }
}
