/**
 * What placement is told of the AI services: the addresses that this node's cores use, by its configuration, or all of
 * the catalogue's. Owns the step between the two, which know nothing of one another.
 */
import {
  type ChosenService,
  chooseServices,
  type ServicesConfig,
  servicesEnvironment,
} from './agent/services/book/index.ts';
import {
  type Catalogue,
  type CatalogueEntry,
  type Environment,
  llmModel,
  resolveRegion,
  SERVICE_KINDS,
  type ServiceKind,
  s2sModel,
  sttModel,
  ttsModel,
} from './agent/services/catalogue/index.ts';
import {
  type AiEndpoint,
  type CatalogueService,
  catalogueEndpoints,
  type Policy,
  toolEndpoints,
  type UsedAddress,
  usedEndpoints,
} from './placement/index.ts';

/** Programs on the cores; they are no entries of the catalogue. */
const PROGRAMS = [
  { kind: 'tts', service: 'flite', region: 'local' },
  { kind: 'stt', service: 'pocketsphinx', region: 'local' },
] as const satisfies readonly UsedAddress[];

/**
 * Under a policy, the addresses that cores of this configuration can use, and the servers of tools: each service that is
 * chosen, at the region that is chosen with it, else at its default one. Others would need accounts that nobody said are
 * there. A session is told which are its. Asks for no keys: a POP has none.
 * @throws ERR_CONFIG_INVALID as for the core itself
 */
export function endpointsInUse(
  config: ServicesConfig,
  catalogue: Catalogue,
  environment: Environment,
): (policy: Policy) => AiEndpoint[] {
  const chosen = chooseServices(config, catalogue);
  const own = servicesEnvironment(config, environment);
  const used = SERVICE_KINDS.flatMap((kind) => chosen[kind].map((each) => addressOf(kind, each, own)));
  return (policy) => [
    ...usedEndpoints(used, (kind, id) => find(catalogue, kind, id), policy),
    ...toolEndpoints(policy),
  ];
}

/** Of one chosen service. */
function addressOf<K extends ServiceKind>(
  kind: K,
  { entry, choice }: ChosenService<K>,
  environment: Environment,
): UsedAddress {
  if (entry === null) return { kind, service: choice.service, region: 'local' };
  const { region, ownUrl } = resolveRegion(entry, environment, choice.region);
  const model = modelOf(kind, entry, choice.model);
  const onCore = ownUrl !== null && isThisMachine(ownUrl);
  return { kind, service: entry.id, region, ...(model !== null && { model }), onCore };
}

/** Every address that the catalogue has, the programs, and the servers of tools: for worlds that name none of their own. */
export function allEndpoints(catalogue: Catalogue, policy: Policy): AiEndpoint[] {
  const services = SERVICE_KINDS.flatMap((kind) => catalogueEndpoints(kind, catalogue.list(kind), policy));
  return [...services, ...usedEndpoints(PROGRAMS, () => null, policy), ...toolEndpoints(policy)];
}

/** Names that a policy may use for services. */
export function serviceNames(catalogue: Catalogue): string[] {
  const ids = SERVICE_KINDS.flatMap((kind) => catalogue.list(kind).map(({ id }) => id));
  return [...new Set([...ids, ...PROGRAMS.map(({ service }) => service)])];
}

function find(catalogue: Catalogue, kind: ServiceKind, id: string): CatalogueService | null {
  return catalogue.get(kind, id) ?? null;
}

function modelOf(kind: ServiceKind, entry: CatalogueEntry, wanted: string | undefined): string | null {
  const of = { llm: llmModel, stt: sttModel, tts: ttsModel, s2s: s2sModel }[kind] as (
    entry: CatalogueEntry,
    wanted: string | undefined,
  ) => string;
  return of(entry, wanted);
}

function isThisMachine(url: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(new URL(url).hostname);
}
