/** One clock for the processes of a machine: Linux gives all of them the same monotonic time, from another origin each. */

const OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** From this process's `performance.now()` to the machine's monotonic milliseconds. */
export function toMachineMs(ownMs: number): number {
  return ownMs + OFFSET_MS;
}

export function fromMachineMs(machineMs: number): number {
  return machineMs - OFFSET_MS;
}
