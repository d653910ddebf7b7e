/** A zone as lines for a terminal: what is not well, the nodes, the paths. Owns the layout, readable at 80 characters. */
import type { ClusterView, NodeView, PathView } from './cluster-view.ts';
import { durationText } from './duration.ts';
import { type Cell, type Column, type TableOptions, tableLines, toned, wrapped } from './text-table.ts';
import type { Trouble } from './troubles.ts';

const NODE_COLUMNS: readonly Column[] = [
  { title: 'NODE', atLeast: 12 },
  { title: 'ROLE' },
  { title: 'REGION', atLeast: 10 },
  { title: 'SESSIONS', right: true },
  { title: 'LATE', right: true },
  { title: 'SEEN', right: true },
  { title: 'STATE' },
  { title: 'UP', right: true, dropAs: 3 },
  { title: 'VERSION', dropAs: 2 },
  { title: 'ZONE', dropAs: 4 },
  { title: 'AGENTS', dropAs: 5 },
];

const PATH_COLUMNS: readonly Column[] = [
  { title: 'PATH FROM', atLeast: 12 },
  { title: 'TO', atLeast: 12 },
  { title: 'RTT P50', right: true },
  { title: 'P95', right: true },
  { title: 'JITTER', right: true },
  { title: 'LOSS', right: true },
  { title: 'MEASURED', right: true },
];

const TROUBLE_TONES = { error: 'bad', warning: 'doubtful', note: 'plain' } as const;

export function statusLines(view: ClusterView, options: TableOptions): string[] {
  const lines = [headline(view), ...view.troubles.flatMap((trouble) => troubleLines(trouble, options)), ''];
  if (view.nodes.length === 0) lines.push('No node is known.');
  else
    lines.push(
      ...tableLines(
        NODE_COLUMNS,
        view.nodes.map((node) => nodeRow(node, view)),
        options,
      ),
    );
  if (view.paths.length > 0) lines.push('', ...tableLines(PATH_COLUMNS, view.paths.map(pathRow), options));
  return lines;
}

function headline({ zone, nodes, registry, at, by }: ClusterView): string {
  const calls = nodes.filter(({ role }) => role === 'core').reduce((sum, { sessions }) => sum + sessions, 0);
  const told = by === null ? 'the registry' : by;
  const parts = [
    `zone ${zone}`,
    `${counted(nodes.length, 'node')}`,
    `${counted(calls, 'session')} at cores`,
    `as ${told} ${registry.connected ? 'tells' : 'told'} it at ${at.slice(11, 19)}`,
  ];
  return parts.join(', ');
}

function troubleLines({ level, text }: Trouble, { width, colors }: TableOptions): string[] {
  const mark = level === 'note' ? 'note: ' : `${level}: `;
  return wrapped(`${mark}${text}`, width, 2).map((line) => toned(line, TROUBLE_TONES[level], colors));
}

function nodeRow(node: NodeView, { at }: ClusterView): Cell[] {
  const { nodeId, role, region, zone, sessions, limit, reserved, latenessMs, ageMs, version, agents, startedAt } = node;
  const state = stateOf(node);
  const room = reserved === 0 ? String(limit) : `${limit - reserved}+${reserved}`;
  return [
    { text: nodeId },
    { text: role },
    { text: region },
    { text: `${sessions}/${room}`, tone: state.text === 'full' ? 'doubtful' : 'plain' },
    {
      text: latenessMs === null ? '-' : `${latenessMs.toFixed(1)} ms`,
      tone: (latenessMs ?? 0) > 10 ? 'doubtful' : 'plain',
    },
    { text: durationText(ageMs), tone: ageMs > 1_000 ? 'doubtful' : 'plain' },
    state,
    { text: durationText(Math.max(0, Date.parse(at) - Date.parse(startedAt))) },
    { text: version ?? '-' },
    { text: zone ?? '-' },
    { text: agents.join(', ') },
  ];
}

function stateOf({ draining, sessions, limit, reserved }: NodeView): Cell {
  if (draining) return { text: 'draining', tone: 'doubtful' };
  if (sessions >= limit - reserved) return { text: 'full', tone: 'doubtful' };
  return { text: 'open' };
}

function pathRow({ pop, core, rttP50Ms, rttP95Ms, jitterMs, loss, ageMs }: PathView): Cell[] {
  return [
    { text: pop },
    { text: core },
    { text: `${rttP50Ms.toFixed(1)} ms` },
    { text: `${rttP95Ms.toFixed(1)} ms` },
    { text: jitterMs === null ? '-' : `${jitterMs.toFixed(1)} ms` },
    { text: loss === null ? '-' : `${(100 * loss).toFixed(1)} %`, tone: (loss ?? 0) > 0.02 ? 'doubtful' : 'plain' },
    { text: `${durationText(ageMs)} ago` },
  ];
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
