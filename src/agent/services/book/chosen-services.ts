/**
 * Which services this node uses, in which order: what the configuration chooses, else OpenAI's when they can be had.
 * Checks each choice against the catalogue. Makes nothing, and asks of a key only whether it is set.
 */
import { type Config, configSchema, nearest } from '../../../config/index.ts';
import { AntipodeError } from '../../../errors.ts';
import type { Catalogue, CatalogueEntry, Environment, ServiceKind } from '../catalogue/index.ts';

export type ServicesConfig = Config['services'];
export type Choices = { readonly [Kind in ServiceKind]: readonly ServicesConfig[Kind][number][] };

export interface ChosenService<Kind extends ServiceKind = ServiceKind> {
  /** Where it is chosen, such as `services.stt.0`. */
  readonly path: string;
  readonly choice: Choices[Kind][number];
  /** Null for a program of this node. */
  readonly entry: CatalogueEntry<Kind> | null;
}

/** The first of each is used, the others take over in their order. */
export type ChosenServices = { readonly [Kind in ServiceKind]: readonly ChosenService<Kind>[] };

/** Programs that may be chosen beside the catalogue's services. */
const PROGRAMS: Readonly<Record<ServiceKind, readonly string[]>> = { stt: [], llm: [], tts: ['flite'], s2s: [] };

/** Why a name that one may well try is none. */
const NO_CHOICE: Readonly<Record<string, string>> = {
  pocketsphinx: "understands the sentences of an agent's grammar only, and agents that have one use it by themselves",
};

/**
 * The environment in which services are looked up: OpenAI's key and address by the configuration, which has read them
 * already, all else by the process.
 */
export function servicesEnvironment({ openai }: ServicesConfig, environment: Environment): Environment {
  const isOwn = openai.baseUrl !== configSchema.parse({}).services.openai.baseUrl;
  return {
    ...environment,
    OPENAI_API_KEY: openai.apiKey ?? undefined,
    OPENAI_BASE_URL: isOwn ? openai.baseUrl : undefined,
  };
}

/**
 * Empty lists for speech and language when this node has no services: then agents use its programs.
 * @throws ERR_CONFIG_INVALID naming each choice that is none, with its path
 */
export function chooseServices(config: ServicesConfig, catalogue: Catalogue): ChosenServices {
  const problems: { path: string; words: string }[] = [];
  const find = <Kind extends ServiceKind>(kind: Kind, choices: readonly Choices[Kind][number][]) =>
    choices.map((choice, index): ChosenService<Kind> => {
      const path = `services.${kind}.${index}`;
      const entry = catalogue.get(kind, choice.service) ?? null;
      if (entry === null && !PROGRAMS[kind].includes(choice.service)) {
        problems.push({ path: `${path}.service`, words: unknown(kind, choice.service, catalogue) });
      } else if (choice.region !== undefined && !entry?.endpoints.some(({ region }) => region === choice.region)) {
        const regions = entry?.endpoints.map(({ region }) => region).join(', ') ?? 'none';
        problems.push({
          path: `${path}.region`,
          words: `${choice.service} has no region "${choice.region}" (${regions})`,
        });
      }
      return { path, choice, entry };
    });
  const wanted = withDefaults(config);
  const chosen = {
    stt: find('stt', wanted.stt),
    llm: find('llm', wanted.llm),
    tts: find('tts', wanted.tts),
    s2s: find('s2s', wanted.s2s),
  };
  for (const kind of missingKinds(chosen)) {
    const words = 'speech and a language model are used together, and this one is neither chosen nor OpenAI configured';
    problems.push({ path: `services.${kind}`, words });
  }
  if (problems.length === 0) return chosen;
  const lines = problems.map(({ path, words }) => `${path}: ${words}`);
  throw new AntipodeError('ERR_CONFIG_INVALID', `Services refused:\n  ${lines.join('\n  ')}`, {
    path: problems[0]!.path,
  });
}

/** Kinds without a service although others have one. */
function missingKinds(chosen: ChosenServices): ('stt' | 'llm')[] {
  if (chosen.stt.length + chosen.llm.length + chosen.tts.length === 0) return [];
  return (['stt', 'llm'] as const).filter((kind) => chosen[kind].length === 0);
}

/** OpenAI where nothing is chosen and it can be had; what is set for it holds wherever it is used. */
function withDefaults({ stt, llm, tts, s2s, openai }: ServicesConfig): Choices {
  const { timeoutMs, sttModel, llmModel, ttsModel, ttsVoice: voice } = openai;
  const hasOpenAi = openai.apiKey !== null || openai.baseUrl.startsWith('http:');
  const isAnyChosen = stt.length + llm.length + tts.length > 0;
  const orElse = <Choice>(choices: readonly Choice[], ...defaults: Choice[]) =>
    choices.length > 0 ? choices : defaults;
  const byOpenAi = <Choice extends { service: string }>(service: string, choice: Choice, settings: object) =>
    choice.service === service ? { ...settings, ...choice } : choice;
  return {
    stt: orElse(stt, ...(hasOpenAi ? [{ service: 'openai-transcriptions' }] : [])).map((choice) =>
      byOpenAi('openai-transcriptions', choice, { model: sttModel, timeoutMs }),
    ),
    llm: orElse(llm, ...(hasOpenAi ? [{ service: 'openai' }] : [])).map((choice) =>
      byOpenAi('openai', choice, { model: llmModel, timeoutMs }),
    ),
    tts: orElse(tts, ...(hasOpenAi ? [{ service: 'openai' }] : isAnyChosen ? [{ service: 'flite' }] : [])).map(
      (choice) => byOpenAi('openai', choice, { model: ttsModel, voice, timeoutMs }),
    ),
    s2s: orElse(s2s, ...(hasOpenAi ? [{ service: 'openai' }] : [])),
  };
}

function unknown(kind: ServiceKind, service: string, catalogue: Catalogue): string {
  if (NO_CHOICE[service] !== undefined) return `${service} ${NO_CHOICE[service]}`;
  const known = [...catalogue.list(kind).map(({ id }) => id), ...PROGRAMS[kind]];
  const hint = nearest(service, known);
  return `there is no service "${service}"${hint === null ? '; npx antipode services lists them' : `; did you mean "${hint}"?`}`;
}
