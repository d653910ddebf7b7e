/** Evals of an agent with a language model, whose caller and judge are models too: all of them one server on loopback. */
import { describe, expect, test } from 'vitest';
import { type FakeChatAnswer, type FakeChatRequest, FakeOpenAi } from '../fakes/openai.ts';
import { type EvalAnswer, evalCommand } from './support/eval-command.ts';

const BOOKING = { people: 2, day: 'Friday', time: 'half past seven' };

/** The agent, the caller and the judge, told from each other by the tools that they are given. */
function chat(request: FakeChatRequest): FakeChatAnswer {
  const tools = request.tools?.map((tool) => tool.function.name) ?? [];
  if (tools.includes('give_verdict')) return judge(request);
  return tools.includes('book_table') ? desk(request) : caller(request);
}

function desk({ messages }: FakeChatRequest): FakeChatAnswer {
  const last = messages.at(-1)!;
  if (last.role === 'tool') return { text: last.content?.includes('booked') ? 'It is booked. Goodbye.' : 'Bye.' };
  if (/friday/i.test(last.content ?? '')) {
    return {
      toolCalls: [
        { name: 'get_time', arguments: '{}' },
        { name: 'book_table', arguments: JSON.stringify(BOOKING) },
      ],
    };
  }
  return { text: 'For how many people, and when?' };
}

/** Knows two sentences; hangs up when it has heard of its booking. */
function caller({ messages }: FakeChatRequest): FakeChatAnswer {
  const last = messages.at(-1)?.content ?? '';
  if (/booked/.test(last)) return { text: '', toolCalls: [{ name: 'hang_up', arguments: '{}' }] };
  return { text: /how many/.test(last) ? 'Two, on Friday at half past seven.' : 'Hello, a table please.' };
}

function judge({ messages }: FakeChatRequest): FakeChatAnswer {
  const booked = messages.at(-1)?.content?.includes('the agent uses book_table') ?? false;
  const verdicts = [
    { criterion: 1, met: booked, why: 'It used book_table.' },
    { criterion: 2, met: false, why: 'It never sang.' },
  ];
  return { toolCalls: [{ name: 'give_verdict', arguments: JSON.stringify({ verdicts }) }] };
}

interface Held extends EvalAnswer {
  fake: FakeOpenAi;
}

async function held(evals: string, ...argv: string[]): Promise<Held> {
  const fake = await FakeOpenAi.start({ chat });
  const text = `version: 1\nagent: front-desk\nservice: openai/gpt-any\nevals:\n${evals}`;
  try {
    const answer = await evalCommand(['{dir}/evals.yaml', ...argv], {
      files: { 'evals.yaml': text, 'slow.yaml': 'services: { openai: { llmModel: other } }\n', 'plain.yaml': '{}\n' },
      environment: { OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl },
    });
    return { ...answer, fake };
  } finally {
    await fake.close();
  }
}

const PLAYED = `  - name: played
    caller: { persona: A guest in a hurry., goal: A table for two on Friday., maxTurns: 6 }
    expect:
      contains: [booked]
      endedBy: caller
`;

describe('an eval with models', { timeout: 30_000 }, () => {
  test('sees what the tools were called with, and pays for no voice', async () => {
    const { code, out, fake } = await held(`  - name: books
    caller:
      turns:
        - say: A table please
          expect: { tools: { atMost: 0 } }
        - say: Two on Friday at half past seven
          expect:
            tools:
              called: [get_time, { name: book_table, arguments: { people: 2, time: /SEVEN/ }, times: 1 }]
              inOrder: true
              notCalled: [hang_up]
  - name: books for three
    caller: { turns: [{ say: Friday }] }
    expect: { tools: { called: [{ name: book_table, arguments: { people: 3 } }] } }
`);
    expect(out).toMatch(/^books +text +1\/1 .*passed$/m);
    expect(out).toContain(`called were get_time({}), book_table(${JSON.stringify(BOOKING)})`);
    expect(code).toBe(1);
    expect(fake.spoken).toEqual([]);
  });

  test('has a caller who is played, hears the agent and hangs up when it has what it wants', async () => {
    const { code, out, fake } = await held(PLAYED, '--json');
    const [run] = JSON.parse(out).configs[0].evals[0].runs;
    expect(run.turns.map(({ said }: { said: string }) => said)).toEqual([
      'Hello, a table please.',
      'Two, on Friday at half past seven.',
    ]);
    expect(run).toMatchObject({ passed: true, endedBy: 'caller' });
    expect(code).toBe(0);
    const asked = fake.chatRequests.find(
      ({ tools }) => tools?.some((tool) => tool.function.name === 'hang_up') && tools.length === 1,
    );
    expect(asked?.model).toBe('gpt-any');
    expect(asked?.messages[0]?.content).toContain('A guest in a hurry.');
  });

  test('ends a played call after so many turns', async () => {
    const { out } = await held(PLAYED.replace('maxTurns: 6', 'maxTurns: 1'), '--json');
    const [run] = JSON.parse(out).configs[0].evals[0].runs;
    expect(run.turns).toHaveLength(1);
    expect(run).toMatchObject({ passed: false, endedBy: 'caller' });
  });

  test('is judged by each criterion, from the words and the tools of the call', async () => {
    const { code, out } = await held(`  - name: judged
    caller: { turns: [{ say: Friday }] }
    expect: { judge: { criteria: [It books a table., It sings.] } }
`);
    expect(code).toBe(1);
    expect(out).toContain('call.judge.criteria.1: expected It sings.; It never sang.');
    expect(out).not.toContain('call.judge.criteria.0');
  });

  test('fails without a verdict on every criterion', async () => {
    const { code, out } = await held(`  - name: judged
    caller: { turns: [{ say: Friday }] }
    expect: { judge: { criteria: [a, b, c] } }
`);
    expect(code).toBe(1);
    expect(out).toContain(
      'call.judge: expected a verdict; ERR_SERVICE_FAILED: openai, who judges, gave no verdict on "c"',
    );
  });

  test('passes when enough of its repeats do', async () => {
    let calls = 0;
    const fake = await FakeOpenAi.start({ chat: () => ({ text: ++calls % 4 === 0 ? 'No.' : 'Yes.' }) });
    const text = (share: number) => `version: 1
agent: front-desk
repeats: 4
passShare: ${share}
evals: [{ name: often, caller: { turns: [{ say: hello, expect: { contains: ['yes'] } }] } }]
`;
    const environment = { OPENAI_API_KEY: fake.apiKey, OPENAI_BASE_URL: fake.baseUrl };
    const files = { 'some.yaml': text(0.75), 'all.yaml': text(0.76) };
    const some = await evalCommand(['{dir}/some.yaml'], { files, environment });
    expect(some.out).toMatch(/^often +text +3\/4 .*passed$/m);
    expect(some.code).toBe(0);
    expect((await evalCommand(['{dir}/all.yaml'], { files, environment })).code).toBe(1);
    await fake.close();
  });

  test('compares configurations side by side', async () => {
    const { code, out, fake, path } = await held(PLAYED, '--config', '{dir}/plain.yaml', '--config', '{dir}/slow.yaml');
    expect(code).toBe(0);
    expect(out).toContain(`EVAL    ${path('plain.yaml')}`);
    expect(out).toMatch(/^played +1\/1 passed +\d+ +\d+ +1\/1 passed +\d+ +\d+$/m);
    const ofDesk = fake.chatRequests.filter(({ tools }) => (tools?.length ?? 0) > 1).map(({ model }) => model);
    expect(new Set(ofDesk)).toEqual(new Set([ofDesk[0], 'other']));
    expect(ofDesk[0]).not.toBe('other');
  });

  test('tells of a service that failed', async () => {
    const { code, out } = await evalCommand(['{dir}/evals.yaml'], {
      files: {
        'evals.yaml': `version: 1
agent: front-desk
evals:
  - name: played by nobody
    caller: { persona: p, goal: g, service: openai/any }
    expect: { contains: [x] }
`,
      },
    });
    expect(code).toBe(1);
    expect(out).toContain('ERR_SERVICE_UNAVAILABLE: OpenAI is not configured: set OPENAI_API_KEY.');
  });
});
