/** The stand-in as a process of its own: `node process.ts PORT HEAR_MS THINK_MS`. Owns its start and end. */
import { systemClock } from '../../clock.ts';
import { configSchema } from '../../config/index.ts';
import { createLogger } from '../../telemetry/index.ts';
import { StandIn } from './server.ts';

const [port, hearMs, thinkMs] = process.argv.slice(2).map(Number) as [number, number, number];
const { command, modelDir } = configSchema.parse({}).services.pocketsphinx;
const log = createLogger({ level: 'info', pretty: false });
const standIn = await StandIn.start({ ...{ port, hearMs, thinkMs, command, modelDir, log }, clock: systemClock });
process.stdout.write(`the stand-in is listening on http://127.0.0.1:${port}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void standIn[Symbol.asyncDispose]().then(() => process.exit(0));
  });
}
