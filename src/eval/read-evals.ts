/**
 * Reads files of evals: YAML in, evals with their defaults filled in out. Owns the refusals, each by its path; a file that
 * is refused in one place is refused as a whole.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { nearest } from '../config/index.ts';
import { AntipodeError } from '../errors.ts';
import {
  type CallExpectation,
  type EvalFile,
  evalFileSchema,
  type ScriptedTurn,
  type VoiceSettings,
} from './schema.ts';

/** A caller whom a language model plays. */
export interface PlayedCaller {
  readonly kind: 'played';
  readonly persona: string;
  readonly goal: string;
  readonly service: string;
  readonly maxTurns: number;
}

export interface ScriptedCaller {
  readonly kind: 'scripted';
  readonly turns: readonly ScriptedTurn[];
}

/** One eval with nothing left open. */
export interface Eval {
  readonly file: string;
  readonly name: string;
  readonly agent: string;
  readonly mode: 'text' | 'voice';
  readonly repeats: number;
  readonly passShare: number;
  readonly limitMs: number;
  readonly voice: { readonly accent: NonNullable<VoiceSettings['accent']>; readonly noise: NoiseChoice | null };
  readonly caller: ScriptedCaller | PlayedCaller;
  readonly expect: CallExpectation;
  /** Who judges; null where nothing is to be judged. */
  readonly judgeService: string | null;
}

export interface NoiseChoice {
  readonly levelDb: number;
  /** Absolute; null for white noise. */
  readonly file: string | null;
}

export const EVAL_DEFAULTS = {
  mode: 'text',
  repeats: 1,
  passShare: 1,
  limitSeconds: 180,
  maxTurns: 10,
  accent: 'slt',
} as const;

/** @throws ERR_CONFIG_INVALID with every wrong place, one line each */
export function readEvals(file: string): Eval[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AntipodeError('ERR_CONFIG_INVALID', `Cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  return parseEvals(text, file);
}

/** @throws ERR_CONFIG_INVALID with every wrong place, one line each */
export function parseEvals(text: string, file: string): Eval[] {
  const document = parseDocument(text, { uniqueKeys: true });
  const broken = document.errors[0]?.message.split('\n', 1)[0];
  if (broken !== undefined) throw refused(file, [broken]);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 50 }) ?? {};
  } catch (error) {
    throw refused(file, [(error as Error).message]);
  }
  const result = evalFileSchema.safeParse(value);
  if (!result.success) throw refused(file, result.error.issues.flatMap(wordsOf));
  const faults = faultsOf(result.data);
  if (faults.length > 0) throw refused(file, faults);
  return result.data.evals.map((_, index) => completed(result.data, index, file));
}

/** For editors. */
export function evalJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(evalFileSchema, { io: 'input' });
  return { $schema, title: 'Antipode evals', description: 'What `antipode eval` runs.', ...schema };
}

/** What the shapes alone do not show. */
function faultsOf(file: EvalFile): string[] {
  const faults: string[] = [];
  const names = new Set<string>();
  for (const [index, each] of file.evals.entries()) {
    const path = `evals.${index}`;
    const turns = each.caller.turns ?? [];
    const mode = each.mode ?? file.mode ?? EVAL_DEFAULTS.mode;
    if (names.has(each.name)) faults.push(`${path}.name: "${each.name}" is the name of another`);
    names.add(each.name);
    if ((each.agent ?? file.agent) === undefined) faults.push(`${path}.agent: is missing, here and at the top`);
    if (each.expect === undefined && turns.every(({ expect }) => expect === undefined)) {
      faults.push(`${path}.expect: is missing: an eval that expects nothing cannot fail`);
    }
    const asked = file.service;
    if (each.caller.persona !== undefined && (each.caller.service ?? each.service ?? asked) === undefined) {
      faults.push(`${path}.caller.service: is missing: which language model plays the caller?`);
    }
    if (each.expect?.judge && (each.expect.judge.service ?? each.service ?? asked) === undefined) {
      faults.push(`${path}.expect.judge.service: is missing: which language model judges?`);
    }
    faults.push(...(mode === 'text' ? notInText(each, path) : notInVoice(each, path)));
  }
  return faults;
}

type RawEval = EvalFile['evals'][number];

function notInText({ voice, caller }: RawEval, path: string): string[] {
  const faults = voice === undefined ? [] : [`${path}.voice: a typed call has no sound; set mode: voice`];
  for (const [index, { interruptAfterMs, expect }] of (caller.turns ?? []).entries()) {
    const turn = `${path}.caller.turns.${index}`;
    if (interruptAfterMs !== undefined) faults.push(`${turn}.interruptAfterMs: a typed call has no sound to interrupt`);
    for (const key of ['sounds', 'silentWithinMs'] as const) {
      if (expect?.[key] !== undefined) faults.push(`${turn}.expect.${key}: a typed call has no sound`);
    }
  }
  return faults;
}

function notInVoice({ caller, expect }: RawEval, path: string): string[] {
  const faults: string[] = [];
  const expectations = [
    { at: `${path}.expect`, tools: expect?.tools },
    ...(caller.turns ?? []).map((turn, index) => ({
      ...{ at: `${path}.caller.turns.${index}.expect`, tools: turn.expect?.tools },
    })),
  ];
  for (const { at, tools } of expectations) {
    for (const [index, tool] of (tools?.called ?? []).entries()) {
      if (typeof tool === 'string' || tool.arguments === undefined) continue;
      faults.push(`${at}.tools.called.${index}.arguments: a caller is not told them; set mode: text`);
    }
  }
  for (const [index, turn] of (caller.turns ?? []).entries()) {
    if (turn.expect?.silentWithinMs === undefined || turn.interruptAfterMs !== undefined) continue;
    faults.push(`${path}.caller.turns.${index}.expect.silentWithinMs: this turn interrupts nothing (interruptAfterMs)`);
  }
  return faults;
}

function completed(file: EvalFile, index: number, path: string): Eval {
  const each = file.evals[index]!;
  const { turns, persona, goal, maxTurns = EVAL_DEFAULTS.maxTurns } = each.caller;
  const fallback = each.service ?? file.service ?? '';
  const noise = each.voice?.noise ?? file.voice?.noise;
  const judge = each.expect?.judge;
  return {
    ...{ file: path, name: each.name, agent: (each.agent ?? file.agent)! },
    mode: each.mode ?? file.mode ?? EVAL_DEFAULTS.mode,
    repeats: each.repeats ?? file.repeats ?? EVAL_DEFAULTS.repeats,
    passShare: each.passShare ?? file.passShare ?? EVAL_DEFAULTS.passShare,
    limitMs: (each.limitSeconds ?? file.limitSeconds ?? EVAL_DEFAULTS.limitSeconds) * 1_000,
    voice: {
      accent: each.voice?.accent ?? file.voice?.accent ?? EVAL_DEFAULTS.accent,
      noise: noise
        ? { levelDb: noise.levelDb, file: noise.file === undefined ? null : resolve(dirname(path), noise.file) }
        : null,
    },
    caller:
      turns === undefined
        ? { kind: 'played', persona: persona!, goal: goal!, service: each.caller.service ?? fallback, maxTurns }
        : { kind: 'scripted', turns },
    expect: each.expect ?? {},
    judgeService: judge === undefined ? null : (judge.service ?? fallback),
  };
}

const KNOWN_KEYS = Object.keys(evalFileSchema.shape).concat(
  ...[Object.keys(evalFileSchema.shape.evals.element.shape), ['turns', 'persona', 'goal', 'maxTurns', 'say']],
  ...[['interruptAfterMs', 'contains', 'matches', 'not', 'tools', 'sounds', 'withinMs', 'silentWithinMs', 'inOrder']],
  ...[['latency', 'endedBy', 'judge', 'criteria', 'called', 'notCalled', 'arguments', 'accent', 'noise', 'levelDb']],
);

function wordsOf(issue: z.core.$ZodIssue): string[] {
  const where = issue.path.join('.');
  // Of a short form and a long one, the long one's words say more.
  const long = issue.code === 'invalid_union' ? issue.errors.at(-1) : undefined;
  if (long && long.length > 0) return long.flatMap((each) => wordsOf({ ...each, path: [...issue.path, ...each.path] }));
  if (issue.code !== 'unrecognized_keys') return [`${where || '(file)'}: ${issue.message}`];
  return issue.keys.map((key) => {
    const hint = nearest(key, KNOWN_KEYS);
    return `${where === '' ? '' : `${where}.`}${key}: unknown key${hint ? `; did you mean "${hint}"?` : ''}`;
  });
}

function refused(file: string, faults: readonly string[]): AntipodeError {
  const path = faults[0]?.split(':', 1)[0];
  return new AntipodeError('ERR_CONFIG_INVALID', `Evals refused (${file}):\n  ${faults.join('\n  ')}`, { path });
}
