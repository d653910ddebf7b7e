/** Who takes a call over when its core is lost: placement's choice, the registry's home, the session's record. */
import { describe, expect, it } from 'vitest';
import { AntipodeError } from '../../src/errors.ts';
import { coreRecord } from '../support/nodes.ts';
import { settle, startPop } from './support/pop.ts';

const LOST = { reason: 'core-lost', epoch: 1, excludedCores: ['core-1'] } as const;

async function joined() {
  const nodes = [
    coreRecord({ capacity: { sessions: 10 } }),
    coreRecord({
      nodeId: 'core-2',
      capacity: { sessions: 10 },
      load: { sessions: 8 },
      control: { host: '127.0.0.1', port: 7_002 },
    }),
  ];
  const pop = await startPop({ nodes });
  const session = await pop.create({ agent: 'echo' });
  const client = await pop.client();
  await client.join(session.token);
  const { sessionId } = session;
  const successor = pop.edge.calls[0]!.request.successor!;
  return { pop, sessionId, successor: (lost: object = {}) => successor({ ...LOST, sessionId, ...lost }) };
}

describe('a session whose core is lost', () => {
  it('is placed at another core with the next epoch, in the directory and in its record', async () => {
    const { pop, sessionId, successor } = await joined();
    const next = await successor();
    expect(next).toMatchObject({ core: { nodeId: 'core-2', port: 7_002 }, epoch: 2 });
    expect(await pop.registry.directory.get(sessionId)).toMatchObject({ core: 'core-2', epoch: 2 });
    await settle();
    expect(await pop.registry.session(sessionId)).toMatchObject({ core: 'core-2', state: 'active' });
  });

  it('has no other core when none is left, and is nobody else’s to take', async () => {
    const { pop, sessionId, successor } = await joined();
    await expect(successor({ excludedCores: ['core-1', 'core-2'] })).rejects.toMatchObject({
      code: 'ERR_PLACEMENT_NO_CORE',
    });
    const home = { pop: 'pop-2', core: 'core-9', zone: pop.registry.zone };
    await pop.registry.directory.takeOver(sessionId, 1, home, 6_000);
    await expect(successor()).rejects.toMatchObject({ code: 'ERR_REGISTRY_CONFLICT' });
  });

  it('goes on by its POP’s own count while the registry is out of reach', async () => {
    const { pop, successor } = await joined();
    pop.registry.directory.takeOver = async () => {
      throw new AntipodeError('ERR_REGISTRY_UNAVAILABLE', 'Away.');
    };
    expect(await successor()).toMatchObject({ core: { nodeId: 'core-2' }, epoch: 2 });
  });
});
