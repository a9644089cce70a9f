/**
 * Which role am I? The only file that knows both. This script is on the path of every container start, so it
 * loads nothing that the plugin role does not need: the daemon is a separate script inside the same executable.
 */
import { basename } from 'node:path';

process.stderr.write(`${basename(process.argv0)}\n`);
