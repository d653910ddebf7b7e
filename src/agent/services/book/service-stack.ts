/**
 * The services that a node's agents hear, think and speak with: made once from what is chosen, shared by all calls. Each
 * kind is one service to its users; behind it stand all that are chosen for it, metered, each with its breaker.
 */
import type { Clock } from '../../../clock.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Logger } from '../../../telemetry/index.ts';
import type { Leg } from '../../types.ts';
import {
  createLlm,
  createStt,
  createTts,
  type Environment,
  llmModel,
  resolveService,
  type ServiceKind,
  sttModel,
  ttsModel,
} from '../catalogue/index.ts';
import type { Llm } from '../llm.ts';
import type { OrMissing } from '../missing.ts';
import type { Stt, SttStream, SttStreamHandlers, TurnDetectingStt } from '../stt.ts';
import type { Tts } from '../tts.ts';
import type { ChosenService, ChosenServices } from './chosen-services.ts';
import type { CircuitBreaker } from './circuit-breaker.ts';
import { MeteredLlm } from './metered-llm.ts';
import { MeteredStt } from './metered-stt.ts';
import { MeteredTts } from './metered-tts.ts';
import { OutrunSilence } from './outrun-silence.ts';
import { refusedWithPath } from './refused-with-path.ts';
import { ResilientLlm } from './resilient-llm.ts';
import { ResilientStt } from './resilient-stt.ts';
import { ResilientTts } from './resilient-tts.ts';
import { ResilientTurnDetector } from './resilient-turn-detector.ts';
import { serviceBreaker } from './service-breaker.ts';
import type { Endpoint } from './service-line.ts';
import type { MeteredService } from './service-meter.ts';
import type { ServiceMetrics } from './service-metrics.ts';

/** Longest wait for the first of an answer while another service could take over, ms; for words, after their asking. */
export const FIRST_RESPONSE_DEFAULTS_MS = { stt: 2_500, llm: 3_000, tts: 1_500 } as const;

export interface ServiceStackOptions {
  /** Neither speech nor language may be empty. */
  chosen: ChosenServices;
  /** Where keys are read from, once. */
  environment: Environment;
  /** The voice that runs here, or why there is none. Not closed with the stack. */
  flite: OrMissing<Tts>;
  clock: Clock;
  log: Logger;
  metrics: ServiceMetrics;
  /** @defaultValue never */
  hedge?: HedgeOptions;
  /** 0..1, for the jitter of breakers. */
  random?: () => number;
}

/** When a second service is asked for the same answer, ms after the first; 0: both at once; null: never. */
export interface HedgeOptions {
  /** While the first word has not come. */
  readonly llmAfterMs: number | null;
  /** While the first sound of a reply has not come. */
  readonly ttsAfterMs: number | null;
}

export const HEDGE_DEFAULTS: HedgeOptions = { llmAfterMs: null, ttsAfterMs: null };

/** What agents use of a stack. */
export type AgentStack = Pick<
  ServiceStack,
  'stt' | 'llm' | 'tts' | 'turnDetector' | 'legs' | 'names' | 'warm' | 'hedged'
>;

/** What is heard of a service that detects turns. */
export interface TurnDetector {
  readonly name: string;
  /** Hear a caller continuously. */
  open(handlers: SttStreamHandlers): SttStream;
  /** Hears by the utterance when all that detect turns have failed: these are asked last. */
  readonly spare?: Stt;
}

type Kind = Exclude<ServiceKind, 's2s'>;

/** An adapter as the stack keeps it: some have connections. */
type Adapter<S> = S & { warm?(): void; close?(): void; connectMs?(): number | null };

interface Made<S> {
  readonly adapter: Adapter<S>;
  readonly service: string;
  readonly model: string | null;
  /** Null when nobody knows where it stands. */
  readonly region: string | null;
  /** Whether the stack closes it. */
  readonly isOwned: boolean;
  /** Where it connects to; null for a program of this node. */
  readonly host: string | null;
}

/** An address that a stack may connect to. */
export interface StackAddress {
  /** `service@region`; the region is `own` for an address of one's own. */
  readonly id: string;
  readonly region: string;
  readonly host: string;
}

interface Line<S> {
  readonly made: readonly Made<S>[];
  readonly endpoints: readonly Endpoint<S>[];
}

export class ServiceStack {
  readonly stt: Stt;
  readonly llm: Llm;
  readonly tts: Tts;
  /**
   * Hears a call continuously, with the ends of turns by the service; null when the speech to text that is used first
   * does not detect them. Its seconds are its user's to tell.
   */
  readonly turnDetector: TurnDetector | null;
  /** Of the services that are used first. */
  readonly legs: readonly Leg[];
  /** Names of all that may be asked, for people. */
  readonly names: readonly string[];
  /** Of all that may be asked. */
  readonly addresses: readonly StackAddress[];
  /** Of speech to text, language, and text to speech. */
  readonly #lines: readonly Line<Stt | Llm | Tts>[];
  readonly #hedge: HedgeOptions;
  readonly #hedged: (hedge: HedgeOptions) => { readonly llm: Llm; readonly tts: Tts };

  /** @throws ERR_CONFIG_INVALID with the path of a choice that cannot work here, and what to do */
  constructor(options: ServiceStackOptions) {
    const { chosen, clock, log, metrics, hedge = HEDGE_DEFAULTS } = options;
    const builder = new StackBuilder(options);
    const stt = builder.line('stt', chosen.stt, (choice) => builder.stt(choice), MeteredStt);
    const llm = builder.line('llm', chosen.llm, (choice) => builder.llm(choice), MeteredLlm);
    const tts = builder.line('tts', chosen.tts, (choice) => builder.tts(choice), MeteredTts);
    const common = { clock, log, failovers: metrics.failovers, hedges: metrics.hedges };
    this.stt = new ResilientStt({ ...common, endpoints: stt.endpoints });
    const detectors = turnDetectorsOf(stt);
    this.turnDetector =
      detectors.length === 0
        ? null
        : Object.assign(new ResilientTurnDetector({ ...common, endpoints: detectors }), {
            spare: new ResilientStt({ ...common, endpoints: detectorsLast(stt) }),
          });
    const llmLine = { ...common, endpoints: llm.endpoints, outrun: new OutrunSilence() };
    const ttsLine = { ...common, endpoints: tts.endpoints, outrun: new OutrunSilence() };
    this.#hedged = ({ llmAfterMs, ttsAfterMs }) => ({
      llm: new ResilientLlm({ ...llmLine, hedgeAfterMs: llmAfterMs }),
      tts: new ResilientTts({ ...ttsLine, hedgeAfterMs: ttsAfterMs }),
    });
    this.#hedge = hedge;
    const asked = this.#hedged(hedge);
    this.llm = asked.llm;
    this.tts = asked.tts;
    this.legs = [legOf('stt', stt), legOf('llm', llm), legOf('tts', tts)];
    this.#lines = [stt, llm, tts];
    this.addresses = this.#lines.flatMap(({ made }) => made.flatMap(addressOf));
    const entries = [...chosen.stt, ...chosen.llm, ...chosen.tts];
    this.names = [...new Set(entries.map(({ entry, choice }) => entry?.name ?? choice.service))];
  }

  /** Have connections open, as at the start of a call, to those that are to be asked first, or at once. Costs nothing else. */
  warm(): void {
    const { llmAfterMs, ttsAfterMs } = this.#hedge;
    for (const [line, afterMs] of [null, llmAfterMs, ttsAfterMs].entries()) {
      const { made, endpoints } = this.#lines[line]!;
      const asked = made.filter((_, index) => endpoints[index]!.breaker.passes).slice(0, afterMs === null ? 1 : 2);
      for (const { adapter } of asked) adapter.warm?.();
    }
  }

  /** The same model and voice, hedged otherwise than the node is configured: for an agent that knows better. */
  hedged(hedge: Partial<HedgeOptions>): Pick<AgentStack, 'llm' | 'tts'> {
    return this.#hedged({ ...HEDGE_DEFAULTS, ...hedge });
  }

  /** Ends what is under way and every connection. Idempotent. */
  close(): void {
    for (const { made } of this.#lines) for (const { adapter, isOwned } of made) if (isOwned) adapter.close?.();
  }
}

/** The services that detect turns, of those in the line; none unless the first does. */
function turnDetectorsOf({ made, endpoints }: Line<Stt>): Endpoint<TurnDetectingStt>[] {
  const all = made.flatMap(({ adapter }, index) =>
    'open' in adapter ? [{ ...endpoints[index]!, service: adapter as Adapter<TurnDetectingStt> }] : [],
  );
  return all[0]?.breaker === endpoints[0]!.breaker ? all : [];
}

function detectorsLast({ made, endpoints }: Line<Stt>): Endpoint<Stt>[] {
  const detects = (index: number) => 'open' in made[index]!.adapter;
  return [...endpoints.filter((_, index) => !detects(index)), ...endpoints.filter((_, index) => detects(index))];
}

function addressOf({ service, region, host }: Made<unknown>): StackAddress[] {
  return host === null ? [] : [{ id: `${service}@${region ?? 'own'}`, region: region ?? 'own', host }];
}

function legOf(kind: Kind, { made }: Line<unknown>): Leg {
  const { service, region } = made[0]!;
  return { kind, service, k: 1, local: region === 'local' };
}

type Meter<S> = new (adapter: S, options: Omit<MeteredService, 'kind'> & { clock: Clock }) => S;

class StackBuilder {
  readonly #options: ServiceStackOptions;

  constructor(options: ServiceStackOptions) {
    this.#options = options;
  }

  line<K extends Kind, S>(
    kind: K,
    chosen: readonly ChosenService<K>[],
    make: (chosen: ChosenService<K>) => Made<S>,
    Metered: Meter<S>,
  ): Line<S> {
    const { clock } = this.#options;
    const made = chosen.map((each) => refusedWithPath(each.path, () => make(each)));
    const endpoints = made.map(({ adapter, service, model, region }, index): Endpoint<S> => {
      const isAlone = made.filter((other) => other.service === service).length === 1;
      const label = isAlone ? service : `${service}/${model}@${region ?? 'own'}`;
      return {
        label,
        service: new Metered(adapter, {
          service,
          model,
          region,
          clock,
          connectMs: () => adapter.connectMs?.() ?? null,
        }),
        breaker: this.#breaker(kind, label),
        firstResponseMs: chosen[index]!.choice.firstResponseMs ?? FIRST_RESPONSE_DEFAULTS_MS[kind],
        warm: () => adapter.warm?.(),
      };
    });
    return { made, endpoints };
  }

  stt({ entry, choice }: ChosenService<'stt'>): Made<Stt> {
    const { environment, clock, log } = this.#options;
    const adapter = createStt(entry!, { ...choice, environment, clock, log });
    return this.#made(adapter, entry!, sttModel(entry!, choice.model), choice.region);
  }

  llm({ entry, choice }: ChosenService<'llm'>): Made<Llm> {
    const { environment, clock } = this.#options;
    const { temperature, ...rest } = choice;
    const sampling = temperature === undefined ? {} : { temperature };
    const adapter = createLlm(entry!, { ...rest, sampling, environment, clock });
    return this.#made(adapter, entry!, llmModel(entry!, choice.model), choice.region);
  }

  tts({ entry, choice }: ChosenService<'tts'>): Made<Tts> {
    const { environment, clock, flite } = this.#options;
    if (entry === null) {
      if ('missing' in flite) throw new AntipodeError('ERR_SERVICE_UNAVAILABLE', flite.missing);
      return { adapter: flite, service: choice.service, model: null, region: 'local', isOwned: false, host: null };
    }
    const adapter = createTts(entry, { ...choice, environment, clock });
    return this.#made(adapter, entry, ttsModel(entry, choice.model), choice.region);
  }

  #made<S>(
    adapter: Adapter<S>,
    entry: Parameters<typeof resolveService>[0],
    model: string,
    wanted: string | undefined,
  ): Made<S> {
    const { region, baseUrl } = resolveService(entry, this.#options.environment, wanted);
    const host = new URL(baseUrl).hostname;
    return { adapter, service: entry.id, model, region: region === 'own' ? null : region, isOwned: true, host };
  }

  #breaker(kind: Kind, service: string): CircuitBreaker {
    const { clock, log, metrics, random } = this.#options;
    return serviceBreaker({ kind, service, clock, log, metrics, random });
  }
}
