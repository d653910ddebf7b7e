/** A core in a process of its own, for tests that kill it: TonalAgents on a real core, told of by messages. */
import { systemClock } from '../../../src/clock.ts';
import { configSchema } from '../../../src/config/index.ts';
import { Core } from '../../../src/core/index.ts';
import { createMetrics, silentLogger } from '../../../src/telemetry/index.ts';
import type { CoreChildDrain, CoreChildMessage, CoreChildStart } from './core-process.ts';
import { TonalAgents } from './tonal-agents.ts';

const say = (message: CoreChildMessage): void => void process.send?.(message);

process.on('disconnect', () => process.exit(0));
process.once('message', async ({ nodeId, identity, workerBin }: CoreChildStart) => {
  const agents = new TonalAgents({
    onSpoken: (text) => say({ type: 'spoken', text }),
    onHeard: (text) => say({ type: 'heard', text }),
    onFiled: (sessionId, word) => say({ type: 'filed', text: `${sessionId} ${word}` }),
  });
  const core = await Core.start({
    config: configSchema.parse({ core: { controlPort: 0 } }),
    nodeId,
    identity,
    agents,
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ processMetrics: false }),
    workerBin,
    onSessionCount: (sessions) => say({ type: 'sessions', sessions }),
  });
  process.on('message', ({ drainWithinMs }: CoreChildDrain) => core.beginDrain(drainWithinMs));
  say({ type: 'ready', port: core.control.port });
});
