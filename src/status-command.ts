/** `antipode status`: the nodes that a server knows and how far they are from each other, as tables. Owns the layout. */
import type { WorldDocument } from './placement/index.ts';
import { fetchWorld, type WorldSource } from './world-source.ts';

export interface StatusOptions extends WorldSource {
  json?: boolean;
}

interface Out {
  write(text: string): unknown;
}

/** @throws as fetchWorld */
export async function status(options: StatusOptions, out: Out): Promise<void> {
  const world = await fetchWorld(options);
  const { at, nodes, paths, state } = world;
  if (options.json) out.write(`${JSON.stringify({ at, nodes, paths, state }, null, 2)}\n`);
  else printStatus(world, out);
}

export function printStatus({ nodes, paths }: WorldDocument, out: Out): void {
  const ordered = nodes.toSorted(
    (a, b) => b.role.localeCompare(a.role) || a.region.localeCompare(b.region) || a.nodeId.localeCompare(b.nodeId),
  );
  const rows = ordered.map(({ nodeId, role, region, sessions, capacity, draining, agents }) => [
    ...[nodeId, role, region, String(sessions), String(capacity)],
    ...[capacity === 0 ? '-' : `${Math.round((100 * sessions) / capacity)} %`],
    ...[draining ? 'draining' : sessions >= capacity ? 'full' : 'open', agents.join(', ')],
  ]);
  const numbers = [3, 4, 5];
  if (rows.length === 0) out.write('No node is known.\n');
  else table(['NODE', 'ROLE', 'REGION', 'SESSIONS', 'CAPACITY', 'LOAD', 'STATE', 'AGENTS'], rows, numbers, out);
  if (paths.length === 0) return;
  const measured = paths.map(({ from, to, p50Ms, p95Ms, ageMs }) => [
    ...[from, to, p50Ms.toFixed(1), p95Ms.toFixed(1), `${Math.round(ageMs / 1_000)} s ago`],
  ]);
  out.write('\n');
  table(['FROM', 'TO', 'P50 MS', 'P95 MS', 'MEASURED'], measured, [2, 3], out);
}

function table(head: string[], rows: string[][], numbers: readonly number[], out: Out): void {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  for (const row of all) {
    const cells = row.map((cell, column) =>
      numbers.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
    );
    out.write(`${cells.join('  ').trimEnd()}\n`);
  }
}
