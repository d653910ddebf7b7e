/**
 * The wide area of this benchmark: a POP in Sydney and two cores as real processes, the fake services of each region as
 * processes of their own, and the way between any two of them as long as placement's data says. Owns all of them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock as clock } from '../../src/clock.ts';
import { TcpLink } from '../../test/wan/tcp-link.ts';
import { type UdpHost, UdpNetwork } from '../../test/wan/udp-network.ts';
import { Child } from '../nodes/child.ts';
import type { NodeAsk } from '../nodes/messages.ts';
import type { ServiceFakesAsk } from '../service-fakes/messages.ts';
import {
  CORES,
  type Network,
  type Place,
  type Prediction,
  type Scenario,
  SERVICE_MS,
  SYDNEY,
  servicesOf,
  VIRGINIA,
} from './scenarios.ts';

const NODE_FILE = join(import.meta.dirname, '../nodes/node-process.ts');
const FAKES_FILE = join(import.meta.dirname, '../service-fakes/process.ts');
/** Media pipes of each node: one is used, and a spare. Below the ports that systems give out by themselves. */
const HOSTS: Readonly<Record<'pop' | Place, UdpHost>> = {
  pop: { ip: '127.0.0.1', announced: '127.0.0.81', ports: { min: 21_300, max: 21_303 } },
  [SYDNEY]: { ip: '127.0.0.1', announced: '127.0.0.82', ports: { min: 21_304, max: 21_307 } },
  [VIRGINIA]: { ip: '127.0.0.1', announced: '127.0.0.83', ports: { min: 21_308, max: 21_311 } },
};
/** Of the fakes' addresses: which service a variable is of. */
const ADDRESSES = { DEEPGRAM_BASE_URL: 'stt', OPENAI_BASE_URL: 'llm', CARTESIA_BASE_URL: 'tts' } as const;

export interface CoreAddress {
  nodeId: string;
  host: string;
  port: number;
}

export class WideArea implements AsyncDisposable {
  readonly pop: Child<NodeAsk>;
  /** How the POP dials each core: by the long way. */
  readonly cores: ReadonlyMap<Place, CoreAddress>;
  readonly #owned: AsyncDisposableStack;

  private constructor(pop: Child<NodeAsk>, cores: ReadonlyMap<Place, CoreAddress>, owned: AsyncDisposableStack) {
    this.pop = pop;
    this.cores = cores;
    this.#owned = owned;
  }

  static async start(scenario: Scenario, predictions: readonly Prediction[], network: Network): Promise<WideArea> {
    await using stack = new AsyncDisposableStack();
    const stateDir = await mkdtemp(join(tmpdir(), 'antipode-bench-'));
    stack.defer(() => rm(stateDir, { recursive: true, force: true }));
    const oneWay = (from: Place, to: Place) => ({ delayMs: network.between(from, to) / 2 });
    const placeOf = (host: 'pop' | Place): Place => (host === 'pop' ? SYDNEY : host);
    stack.use(await UdpNetwork.open({ hosts: HOSTS, path: (from, to) => oneWay(placeOf(from), placeOf(to)), clock }));
    const fakes = new Map<Place, Record<string, string>>([
      [VIRGINIA, await startFakes(stack, SERVICE_MS.llm)],
      ...(scenario.localLlmMs === null
        ? []
        : [[SYDNEY, await startFakes(stack, scenario.localLlmMs)] as [Place, Record<string, string>]]),
    ]);
    const cores = new Map<Place, CoreAddress>();
    for (const place of CORES) {
      const environment = await environmentOf(stack, place, servicesOf(predictions, place), fakes, oneWay);
      const core = startNode(stack, 'core', place, environment);
      const { nodeId, port } = await core.ask<CoreAddress>({
        ...{ type: 'start', stateDir, agentsDir: 'bench/agents', core: null, quiet: true, nodeId: `core-${place}` },
        settings: {
          ...settingsOf(place, HOSTS[place]),
          'services.stt': ['deepgram/nova-3'],
          'services.llm': [{ service: 'openai', model: 'gpt-oss-120b' }],
          'services.tts': ['cartesia/sonic-3#a-voice'],
          'services.openai.apiKey': environment.OPENAI_API_KEY,
          'services.openai.baseUrl': environment.OPENAI_BASE_URL,
        },
      });
      const way = await link(stack, port, oneWay(SYDNEY, place));
      cores.set(place, { nodeId, host: '127.0.0.1', port: way.port });
    }
    const pop = startNode(stack, 'pop', SYDNEY, {});
    await pop.ask({
      ...{ type: 'start', stateDir, agentsDir: 'bench/agents', core: null, quiet: true, nodeId: 'pop-sydney' },
      settings: settingsOf(SYDNEY, HOSTS.pop),
    });
    return new WideArea(pop, cores, stack.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }
}

function startNode(
  stack: AsyncDisposableStack,
  role: 'pop' | 'core',
  place: Place,
  environment: Record<string, string>,
) {
  const node = new Child<NodeAsk>({ name: `${role} ${place}`, file: NODE_FILE, args: [role], environment });
  stack.use(node);
  // Before its process is ended, so that its media workers end in order; what it started with may have failed.
  stack.defer(() => Promise.allSettled([node.ask({ type: 'close' })]).then(() => {}));
  return node;
}

function settingsOf(place: Place, host: UdpHost): Record<string, unknown> {
  return {
    'node.region': place,
    'backbone.listenIp': host.ip,
    'backbone.announcedAddress': host.announced,
    'backbone.ports': host.ports,
  };
}

function startFakes(stack: AsyncDisposableStack, llmMs: number): Promise<Record<string, string>> {
  const fakes = stack.use(new Child<ServiceFakesAsk>({ name: 'fake services', file: FAKES_FILE }));
  const fixed = (ms: number) => ({ p50Ms: ms, p95Ms: ms });
  return fakes.ask({ stt: fixed(SERVICE_MS.stt), llm: fixed(llmMs), tts: fixed(SERVICE_MS.tts), seed: 1 });
}

/** The fakes' own environment, but that each address is the near end of the way there. */
async function environmentOf(
  stack: AsyncDisposableStack,
  core: Place,
  services: Readonly<Record<'stt' | 'llm' | 'tts', Place>>,
  fakes: ReadonlyMap<Place, Record<string, string>>,
  oneWay: (from: Place, to: Place) => { delayMs: number },
): Promise<Record<string, string>> {
  const environment: Record<string, string> = { ...fakes.get(VIRGINIA) };
  for (const [variable, kind] of Object.entries(ADDRESSES)) {
    const address = fakes.get(services[kind])?.[variable];
    if (address === undefined) throw new Error(`no fake of ${kind} stands in ${services[kind]}`);
    const url = new URL(address);
    const way = await link(stack, Number(url.port), oneWay(core, services[kind]));
    environment[variable] = address.replace(`:${url.port}`, `:${way.port}`);
  }
  return environment;
}

async function link(stack: AsyncDisposableStack, port: number, path: { delayMs: number }): Promise<TcpLink> {
  const listen = { host: '127.0.0.1', port: 0 };
  return stack.use(await TcpLink.open({ listen, server: { host: '127.0.0.1', port }, path, clock }));
}
