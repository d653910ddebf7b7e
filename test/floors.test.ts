/** Each part of the server imports from its own floor's allowance only; a way up or across would make a circle. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { expect, test } from 'vitest';

/** What a part may import besides itself and the single files at the top of src. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  config: ['telemetry'],
  telemetry: ['config'],
  registry: ['config', 'telemetry'],
  // The protocol carries what agents say to their callers, in the agent's own types.
  backbone: ['config', 'telemetry', 'registry', 'agent'],
  placement: ['config', 'telemetry', 'registry'],
  agent: ['config', 'telemetry', 'registry'],
  operate: ['config', 'telemetry', 'registry', 'placement'],
  core: ['config', 'telemetry', 'registry', 'backbone', 'placement', 'agent'],
  edge: ['config', 'telemetry', 'registry', 'backbone', 'placement', 'agent'],
  signaling: ['config', 'telemetry', 'registry', 'backbone', 'placement', 'agent', 'edge', 'operate'],
};

const SRC = join(import.meta.dirname, '../src');
const IMPORT = /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s*'(\.[^']+)'|import\('(\.[^']+)'\)/g;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

/** `part -> other part: file`, for each import that crosses parts. */
function crossings(): { part: string; other: string; file: string }[] {
  return files.flatMap((file) => {
    const part = partOf(file);
    if (part === null || !(part in MAY_IMPORT)) return [];
    const text = readFileSync(join(SRC, file), 'utf8');
    return [...text.matchAll(IMPORT)].flatMap((found) => {
      const target = relative(SRC, normalize(join(SRC, dirname(file), (found[1] ?? found[2])!)));
      const other = partOf(target);
      return other === null || other === part ? [] : [{ part, other, file }];
    });
  });
}

function partOf(file: string): string | null {
  const slash = file.indexOf('/');
  return slash < 0 || file.startsWith('..') ? null : file.slice(0, slash);
}

test('imports go down, never up or across', () => {
  const found = crossings();
  expect(found.length).toBeGreaterThan(100);
  const wrong = found.filter(({ part, other }) => !MAY_IMPORT[part]!.includes(other));
  expect(wrong.map(({ part, other, file }) => `${part} -> ${other}: ${file}`)).toEqual([]);
});

test('the agent knows nothing of media servers', () => {
  const agent = files.filter((file) => partOf(file) === 'agent');
  const wrong = agent.filter((file) =>
    /from '(mediasoup|werift|@roamhq\/wrtc)/.test(readFileSync(join(SRC, file), 'utf8')),
  );
  expect(wrong).toEqual([]);
});
