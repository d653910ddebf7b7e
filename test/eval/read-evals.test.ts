import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AntipodeError } from '../../src/errors.ts';
import { evalJsonSchema, parseEvals } from '../../src/eval/read-evals.ts';

/** A file with one eval, by its lines below `evals:`. */
function file(lines: string, top = 'agent: front-desk'): string {
  return `version: 1\n${top}\nevals:\n  - name: one\n${lines.replace(/^/gm, '    ')}\n`;
}

function refusal(text: string): string[] {
  try {
    parseEvals(text, 'some.eval.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(AntipodeError);
    expect((error as AntipodeError).code).toBe('ERR_CONFIG_INVALID');
    const [head, ...faults] = (error as AntipodeError).message.split('\n  ');
    expect(head).toBe('Evals refused (some.eval.yaml):');
    return faults;
  }
  throw new Error('it was not refused');
}

describe('a file of evals', () => {
  test('gives each eval what stands at the top, unless it says otherwise', () => {
    const text = `version: 1
agent: front-desk
repeats: 5
passShare: 0.8
evals:
  - name: one
    caller: { turns: [{ say: hello, expect: { contains: [hi] } }] }
  - name: two
    agent: echo
    repeats: 2
    mode: voice
    voice: { accent: rms, noise: { levelDb: -40, file: cafe.wav } }
    caller: { turns: [{ say: hello }] }
    expect: { endedBy: caller }
`;
    const [one, two] = parseEvals(text, '/evals/some.eval.yaml');
    expect(one).toMatchObject({ agent: 'front-desk', mode: 'text', repeats: 5, passShare: 0.8, limitMs: 180_000 });
    expect(two).toMatchObject({ agent: 'echo', mode: 'voice', repeats: 2, passShare: 0.8 });
    expect(two?.voice).toEqual({ accent: 'rms', noise: { levelDb: -40, file: '/evals/cafe.wav' } });
  });

  test('is refused for an eval that expects nothing, by its path', () => {
    expect(refusal(file('caller: { turns: [{ say: hello }] }'))).toEqual([
      'evals.0.expect: is missing: an eval that expects nothing cannot fail',
    ]);
    expect(refusal(file('caller: { turns: [{ say: hello, expect: {} }] }'))).toEqual([
      'evals.0.caller.turns.0.expect: expects nothing',
    ]);
    expect(refusal(file('caller: { turns: [{ say: hello }] }\nexpect: { latency: {} }'))).toEqual([
      'evals.0.expect.latency: expects nothing',
    ]);
  });

  test('is refused for keys that it does not know, with the one that was meant', () => {
    expect(refusal(file('caller: { turns: [{ say: hello, expect: { contain: [x] } }] }'))).toContain(
      'evals.0.caller.turns.0.expect.contain: unknown key; did you mean "contains"?',
    );
  });

  test.each([
    [
      'caller: { turns: [{ say: a, expect: { matches: ["("] } }] }',
      'evals.0.caller.turns.0.expect.matches.0: is no regular expression',
    ],
    [
      'caller: { persona: p }\nexpect: { contains: [x] }',
      'evals.0.caller.goal: is missing: what does this caller want?',
    ],
    ['caller: {}\nexpect: { contains: [x] }', 'evals.0.caller.turns: is missing, and so is a `persona` to be played'],
    [
      'caller: { persona: p, goal: g }\nexpect: { contains: [x] }',
      'evals.0.caller.service: is missing: which language model plays the caller?',
    ],
    [
      'caller: { turns: [{ say: a }], goal: g }\nexpect: { contains: [x] }',
      'evals.0.caller.goal: is of a played caller, and this one has `turns`',
    ],
    [
      'caller: { turns: [{ say: a }] }\nexpect: { judge: { criteria: [kind] } }',
      'evals.0.expect.judge.service: is missing: which language model judges?',
    ],
    [
      'caller: { turns: [{ say: a }, { say: b, interruptAfterMs: 500 }] }\nexpect: { contains: [x] }',
      'evals.0.caller.turns.1.interruptAfterMs: a typed call has no sound to interrupt',
    ],
    [
      'voice: { accent: rms }\ncaller: { turns: [{ say: a }] }\nexpect: { contains: [x] }',
      'evals.0.voice: a typed call has no sound; set mode: voice',
    ],
    [
      'mode: voice\ncaller: { turns: [{ say: a }] }\nexpect: { tools: { called: [{ name: t, arguments: { a: 1 } }] } }',
      'evals.0.expect.tools.called.0.arguments: a caller is not told them; set mode: text',
    ],
    [
      'mode: voice\ncaller: { turns: [{ say: a, expect: { silentWithinMs: 300 } }] }',
      'evals.0.caller.turns.0.expect.silentWithinMs: this turn interrupts nothing (interruptAfterMs)',
    ],
    [
      'caller: { turns: [{ say: a }] }\nexpect: { tools: { inOrder: true } }',
      'evals.0.expect.tools.inOrder: needs `called`',
    ],
    [
      'caller: { turns: [{ say: a }] }\nexpect: { tools: { called: [{ name: t, arguments: { a: "/(/" } }] } }',
      'evals.0.expect.tools.called.0.arguments: holds a text between slashes that is no regular expression',
    ],
  ])('is refused: %s', (lines, fault) => {
    expect(refusal(file(lines))).toContain(fault);
  });

  test('is refused for two evals of one name, for one without an agent, and for what is no YAML', () => {
    const one = 'caller: { turns: [{ say: a }] }\nexpect: { contains: [x] }';
    const twice = `${file(one)}  - name: one\n    ${one.replace('\n', '\n    ')}\n`;
    expect(refusal(twice)).toEqual(['evals.1.name: "one" is the name of another']);
    expect(refusal(file(one, 'title: no agent'))).toEqual(['evals.0.agent: is missing, here and at the top']);
    expect(refusal('version: [1')).toHaveLength(1);
    expect(refusal('version: 1\nagent: a\nevals: []')).toHaveLength(1);
  });

  test('is as the documentation shows it, and as the suites that ship', () => {
    const root = join(import.meta.dirname, '../..');
    const example = /```yaml\n([\s\S]+?)```/.exec(readFileSync(join(root, 'docs/evals.md'), 'utf8'))?.[1] ?? '';
    expect(parseEvals(example, 'docs').map(({ name, repeats }) => [name, repeats])).toEqual([
      ['books a table', 5],
      ['keeps its temper', 1],
    ]);
    const modes = ['front-desk.eval.yaml', 'front-desk.voice.eval.yaml'].map((name) => {
      const evals = parseEvals(readFileSync(join(root, 'agents', name), 'utf8'), name);
      return [evals.length, ...new Set(evals.map(({ mode }) => mode))];
    });
    expect(modes).toEqual([
      [6, 'text'],
      [3, 'voice'],
    ]);
  });

  test('has a schema for editors that is the one in the repository', () => {
    const written = readFileSync(join(import.meta.dirname, '../../src/eval/eval.schema.json'), 'utf8');
    expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(evalJsonSchema())));
  });
});
