/** The suite that ships, on a machine without a key, and what the command says of suites that fail. */
import { describe, expect, test } from 'vitest';
import { evalCommand } from './support/eval-command.ts';

const SUITE = 'agents/front-desk.eval.yaml';

const failing = `version: 1
agent: front-desk
evals:
  - name: good
    caller: { turns: [{ say: what time is it, expect: { contains: [It is] } }] }
  - name: bad <&> one
    caller: { turns: [{ say: help, expect: { contains: [a walrus], tools: { called: [walrus] } } }] }
`;

describe('antipode eval', { timeout: 60_000 }, () => {
  test('passes the suite of the front desk without a key', async () => {
    const { code, out, err } = await evalCommand([SUITE]);
    expect(err).not.toContain('FAILED');
    expect(code).toBe(0);
    expect(out).toMatch(/^says goodbye and hangs up +text +3\/3 .*passed$/m);
    expect(out).toMatch(/\n6 passed\n$/);
  });

  test('answers 1 when one fails, and says what was expected and what came', async () => {
    const { code, out } = await evalCommand(['{dir}/bad.yaml'], { files: { 'bad.yaml': failing } });
    expect(code).toBe(1);
    expect(out).toMatch(/^good +text +1\/1 .*passed$/m);
    expect(out).toMatch(/^bad <&> one +text +0\/1 .*FAILED$/m);
    expect(out).toContain('turns.0.contains: expected "a walrus"; the agent said "I can tell you the time,');
    expect(out).toContain('turns.0.tools.called.0: expected walrus; no tool was called');
    expect(out).toMatch(/\n1 of 2 failed\n$/);
  });

  test('fails a call of an agent that there is not, by name', async () => {
    const text = failing.replace('front-desk', 'frnt-desk');
    const { code, out } = await evalCommand(['{dir}/bad.yaml', '--only', 'good'], { files: { 'bad.yaml': text } });
    expect(code).toBe(1);
    expect(out).toMatch(/ERR_AGENT_\w+: There is no agent "frnt-desk" in /);
  });

  test('fails a call that is not over in time, and lets go of it', async () => {
    const text = failing.replace('    caller:', '    limitSeconds: 1\n    agent: echo\n    caller:');
    const { code, out } = await evalCommand(['{dir}/slow.yaml', '--only', 'good'], { files: { 'slow.yaml': text } });
    expect(code).toBe(1);
    expect(out).toContain('ERR_CALL_FAILED: the call was not over after 1 s');
  });

  test('answers 2 for a wrong file, a wrong argument and a choice of nothing', async () => {
    expect((await evalCommand(['{dir}/x.yaml'], { files: { 'x.yaml': 'version: 2' } })).code).toBe(2);
    expect((await evalCommand(['{dir}/none.yaml'])).code).toBe(2);
    expect((await evalCommand([])).code).toBe(2);
    expect((await evalCommand([SUITE, '--repeat', '3'])).code).toBe(2);
    expect((await evalCommand([SUITE, '--repeats', 'many'])).code).toBe(2);
    expect((await evalCommand([SUITE, '--config', '{dir}/none.yaml'])).code).toBe(2);
    const nothing = await evalCommand([SUITE, '--only', 'walrus']);
    expect(nothing.code).toBe(2);
    expect(nothing.err).toContain('no eval of these files is chosen');
  });

  test('ends when it is told to, with 1', async () => {
    const { code } = await evalCommand([SUITE], { signal: AbortSignal.abort(new Error('enough')) });
    expect(code).toBe(1);
  });

  test('writes JSON, JUnit XML and a page, in which words of a call are no markup', async () => {
    const reports = ['--json', '--junit', '{dir}/junit.xml', '--html', '{dir}/page.html'];
    const text = failing.replace('say: help', 'say: "<script>alert(1)</script> ]]> \\u0001"');
    const answer = await evalCommand(['{dir}/bad.yaml', ...reports], { files: { 'bad.yaml': text } });
    expect(answer.code).toBe(1);
    const report = JSON.parse(answer.out);
    expect(report.passed).toBe(false);
    const [good] = report.configs[0].evals;
    expect(good).toMatchObject({ name: 'good', passed: true, mode: 'text' });
    expect(good.runs[0].transcript.map(({ role, turn }: { role: string; turn: number }) => [role, turn])).toEqual([
      ['agent', 0],
      ['caller', 1],
      ['agent', 1],
    ]);
    expect(good.runs[0].turns[0].latencyMs).toBeGreaterThanOrEqual(0);

    const xml = await answer.read('junit.xml');
    expect(xml).toContain('tests="2" failures="1"');
    expect(xml).toMatch(/<testcase name="good" [^>]*\/>/);
    expect(xml).toMatch(
      /<testcase name="bad &#60;&#38;&#62; one"[^>]*>\n {6}<failure message="run 1: turns\.0\.contains/,
    );
    expect(xml).not.toContain('\u0001');

    const page = await answer.read('page.html');
    expect(page).toContain('&#60;script&#62;alert(1)');
    expect(page.match(/<script>/g)).toHaveLength(1);
    expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });
});
