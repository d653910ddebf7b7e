/** What every node demands before it starts: a common registry, an id of its own, an address that others can use. */
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { MemoryRegistry } from '../../src/registry/index.ts';
import { startCoreNode } from '../../src/roles/core-node.ts';
import { startEdgeNode } from '../../src/roles/edge-node.ts';
import { demandBackboneAddress, demandFreeId } from '../../src/roles/node-parts.ts';
import { controlHost } from '../../src/roles/node-records.ts';
import { startPlacementNode } from '../../src/roles/placement-node.ts';
import { silentLogger as log } from '../../src/telemetry/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { coreRecord } from '../support/nodes.ts';

function configOf(defaults: Record<string, unknown> = {}) {
  return loadConfig({ file: null, environment: {}, defaults });
}

describe('a node without a common registry', () => {
  const options = { config: configOf(), clock: new FakeClock(), log, pageDir: '/nowhere' };
  test.each([
    ['core', () => startCoreNode(options)],
    ['edge', () => startEdgeNode(options)],
    ['placement', () => startPlacementNode(options)],
  ])('%s refuses to start and says what to set', async (role, start) => {
    await expect(start()).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      path: 'registry.kind',
      message: expect.stringMatching(new RegExp(`^registry\\.kind: antipode ${role} .*ANTIPODE_REDIS_URL`)),
    });
  });
});

describe('demandFreeId()', () => {
  test('is content when nobody has the id', async () => {
    const clock = new FakeClock();
    await using registry = new MemoryRegistry({ clock });
    await registry.announce(coreRecord({ nodeId: 'other' }), 1_500);
    await demandFreeId({ registry, clock, log }, 'core-1');
  });

  test('waits for the lease of the process that died', async () => {
    const clock = new FakeClock();
    await using registry = new MemoryRegistry({ clock });
    await registry.announce(coreRecord(), 1_500);
    let isFree = false;
    const demanded = demandFreeId({ registry, clock, log }, 'core-1').then(() => {
      isFree = true;
    });
    await clock.advanceAsync(1_000, 100);
    expect(isFree).toBe(false);
    await clock.advanceAsync(1_000, 100);
    await demanded;
  });

  test('refuses an id whose node goes on announcing itself', async () => {
    const clock = new FakeClock();
    await using registry = new MemoryRegistry({ clock });
    await registry.announce(coreRecord({ region: 'eu-west-1' }), 1_500);
    const demanded = expect(demandFreeId({ registry, clock, log }, 'core-1')).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      path: 'node.id',
      message: expect.stringContaining('a core in eu-west-1, is called "core-1"'),
    });
    for (let renewals = 0; renewals < 6; renewals++) {
      await clock.advanceAsync(500, 100);
      await registry.announce(coreRecord({ region: 'eu-west-1' }), 1_500);
    }
    await demanded;
  });
});

test('media pipes on every address need one that others use', () => {
  const listening = { 'backbone.listenIp': '0.0.0.0' };
  expect(() => demandBackboneAddress(configOf(listening))).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG_INVALID', path: 'backbone.announcedAddress' }),
  );
  demandBackboneAddress(configOf({ ...listening, 'backbone.announcedAddress': '10.0.0.7' }));
  demandBackboneAddress(configOf());
});

describe('controlHost()', () => {
  test('is the announced address, else where the control channel listens', () => {
    expect(controlHost(configOf())).toBe('127.0.0.1');
    const announced = { 'core.controlHost': '0.0.0.0', 'backbone.announcedAddress': '10.0.0.7' };
    expect(controlHost(configOf(announced))).toBe('10.0.0.7');
  });

  test('cannot be every address', () => {
    for (const host of ['0.0.0.0', '::']) {
      expect(() => controlHost(configOf({ 'core.controlHost': host }))).toThrow(
        expect.objectContaining({ code: 'ERR_CONFIG_INVALID', path: 'backbone.announcedAddress' }),
      );
    }
  });
});
