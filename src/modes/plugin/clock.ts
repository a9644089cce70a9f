/**
 * Milliseconds of a clock that nobody can set, for time limits. Loaded by the plugin process, where the global
 * `performance` will not do: its first use loads eleven more of Node's modules, a twentieth of the plugin's start.
 */
export function milliseconds(): number {
  return process.uptime() * 1000;
}
