/**
 * `antipode placement`: check a policy, print its JSON Schema, explain where a session would run, measure POPs, simulate
 * a planet, make a world of Terraform's output. Owns arguments, exit codes and what is printed: 0 fine, 1 a file is
 * refused or nothing answers, 2 wrong arguments, 3 no place for the session. The decision is placement's.
 */
import { isIP } from 'node:net';
import { loadCatalogue } from './agent/services/catalogue/index.ts';
import { AntipodeError } from './errors.ts';
import {
  addressKind,
  type Coordinates,
  checkPolicy,
  DEFAULT_POLICY,
  drawOf,
  explanationOf,
  heldPins,
  nearestWord,
  type Pin,
  Plan,
  type PlanRequest,
  type Policy,
  parsePins,
  plainAddress,
  policyJsonSchema,
  problemInWords,
  readPolicy,
  readWorldDocument,
  type WorldDocument,
  worldOf,
} from './placement/index.ts';
import { BadArguments, parse, placeAt, textOf } from './placement-arguments.ts';
import { allEndpoints, serviceNames } from './placement-endpoints.ts';
import { printExplanation } from './placement-table.ts';
import { fetchWorld } from './world-source.ts';

/** Where a command writes. */
export interface CommandStreams {
  readonly out: { write(text: string): unknown };
  readonly err: { write(text: string): unknown };
}

const EXIT = { ok: 0, refusedFile: 1, badArguments: 2, noPlace: 3 } as const;

const HELP = `Usage: antipode placement [command]

  serve             run placement as a service over HTTP, also without a command (docs/operate.md)
      -c, --config FILE   configuration file (default: antipode.yaml where it exists)
  validate FILE     say what is wrong with a policy file, or that it is fine
  schema            print the JSON Schema of policy files
  explain           say where a session would run, and why not elsewhere
      --ip ADDRESS        the caller's address, looked up in geoip-lite, or
      --at LAT,LON        the caller's place, degrees
      --country CC        the caller's country, when the address does not tell it
      --agent NAME
      --pin PLACES        residency: "eu", "de,fr", "eu & de"
      --pop REGION        the POP region that the caller has come in by (default: the best one)
      --world FILE        the world, YAML or JSON (default: that of the server at --url)
      --url URL           a running server (default: http://localhost:8080)
      --key KEY           its API key (default: the first of ANTIPODE_API_KEYS)
      --policy FILE       the policy (default: the world's own, else the defaults)
      --json              print JSON
  probe             measure how far this machine is from each POP
      --server URL        a running server that tells its POPs (default: http://localhost:8080), or
      --world FILE        a world whose POPs have a signalingUrl
      --key KEY           the server's API key: every POP instead of the five nearest (default: the first of
                          ANTIPODE_API_KEYS)
      --pin PLACES        only POPs within this pin
      --at LAT,LON        the place of this machine, degrees (default: by the address that the server sees)
      --count N           timed requests to each (default: 5)
      --json              print JSON
  simulate          simulate a planet of callers (antipode placement simulate --help)
  world             print the world file that infra/terraform made: terraform output -json worlds | antipode placement world
      --terraform FILE    its output (default: -, standard input)
      --zone NAME         the residency zone, where there are several
      --like FILE         a world whose agents, endpoints, paths, regions and policy are taken over
      --json              print JSON

Exit codes: 0 fine, 1 a file is refused or nothing answers, 2 wrong arguments, 3 there is no place for the session.
`;

/** Answers with the exit code. */
export async function placementMain(argv: readonly string[], streams: CommandStreams): Promise<number> {
  const [command, ...rest] = argv;
  try {
    switch (command) {
      case 'validate':
        return await validate(rest, streams);
      case 'schema':
        streams.out.write(`${JSON.stringify(policyJsonSchema(), null, 2)}\n`);
        return EXIT.ok;
      case 'explain':
        return await explain(rest, streams);
      case 'probe': {
        const { probePops } = await import('./placement-probe.ts');
        await probePops(rest, streams);
        return EXIT.ok;
      }
      case 'simulate': {
        const { runSimulate } = await import('./placement/simulate/index.ts');
        return await runSimulate(rest, streams);
      }
      case 'world': {
        const { printWorld } = await import('./placement-world.ts');
        await printWorld(rest, { ...streams, in: process.stdin });
        return EXIT.ok;
      }
      case '--help':
      case '-h':
        streams.out.write(HELP);
        return EXIT.ok;
      default: {
        const near = nearestWord(command ?? '', ['validate', 'schema', 'explain', 'probe', 'simulate', 'world']);
        const hint = near === null ? '' : ` Did you mean "${near}"?`;
        throw new BadArguments(
          command === undefined ? 'A command is missing.' : `There is no command "${command}".${hint}`,
        );
      }
    }
  } catch (error) {
    if (error instanceof BadArguments) {
      streams.err.write(`${error.message}\n\n${HELP}`);
      return EXIT.badArguments;
    }
    if (!(error instanceof AntipodeError)) throw error;
    streams.err.write(`${error.code}: ${error.message}\n`);
    return error.code === 'ERR_REQUEST_MALFORMED' ? EXIT.badArguments : EXIT.refusedFile;
  }
}

async function validate(argv: readonly string[], { out, err }: CommandStreams): Promise<number> {
  const { positionals } = parse(argv, {}, true);
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) throw new BadArguments('validate takes one file.');
  const { policy, problems } = checkPolicy(await textOf(file), { services: serviceNames(loadCatalogue()) });
  if (policy !== null) {
    out.write(`${file} is a valid policy.\n`);
    return EXIT.ok;
  }
  for (const problem of problems) err.write(`${file}: ${problemInWords(problem)}\n`);
  return EXIT.refusedFile;
}

const EXPLAIN_OPTIONS = {
  ip: { type: 'string' },
  at: { type: 'string' },
  country: { type: 'string' },
  agent: { type: 'string' },
  pin: { type: 'string' },
  pop: { type: 'string' },
  world: { type: 'string' },
  url: { type: 'string' },
  key: { type: 'string' },
  policy: { type: 'string' },
  json: { type: 'boolean' },
} as const;

async function explain(argv: readonly string[], { out, err }: CommandStreams): Promise<number> {
  const { values } = parse(argv, EXPLAIN_OPTIONS, false);
  const { agent: name, ip, at, country, pin, pop } = values;
  if (name === undefined) throw new BadArguments('--agent is missing.');
  if ((ip === undefined) === (at === undefined)) throw new BadArguments('One of --ip and --at is needed.');
  if (country !== undefined && !/^[A-Z]{2}$/.test(country)) {
    throw new BadArguments('--country must be two upper-case letters.');
  }
  const asked = pin === undefined ? [] : parsePins(pin, 'request');
  const caller = ip === undefined ? { place: placeAt(at!), country: null, how: `at ${at}` } : await placeOfAddress(ip);
  const document = await worldDocument(values);
  const policy = await policyOf(values.policy, document);
  const read = worldOf(document, policy);
  const { agents, unknownRegions } = read;
  // A file that names no address of a service means those that there are.
  const isWithout = values.world !== undefined && document.endpoints.length === 0;
  const world = isWithout ? { ...read.world, endpoints: allEndpoints(loadCatalogue(), policy) } : read.world;
  const agent = agents.get(name) ?? null;
  const callerCountry = country ?? caller.country;
  const pins: Pin[] = heldPins({ policy, country: callerCountry, asked, agent });
  const request: PlanRequest = {
    agent: name,
    legs: agent?.legs ?? [],
    pins,
    caller: { country: callerCountry, place: caller.place },
    pop: pop === undefined ? null : { nodeId: popNode(pop, document), region: pop },
    draw: drawOf(ip ?? at!),
  };
  const plan = new Plan(world, policy, 0);
  const outcome = plan.decide(request);
  const candidates = plan.explain(request);
  const explanation = explanationOf(outcome, candidates);
  if (values.json === true) out.write(`${JSON.stringify(explanation, null, 2)}\n`);
  else printExplanation({ explanation, outcome, candidates, agent: name, pins, caller, knownAgents: agents }, out);
  if (unknownRegions.length > 0) {
    err.write(
      `Nobody knows where ${unknownRegions.join(', ')} ${unknownRegions.length === 1 ? 'is' : 'are'}: paths there are ` +
        'assumed to be the longest. Declare them under "regions" of the policy.\n',
    );
  }
  return outcome.chosen === null ? EXIT.noPlace : EXIT.ok;
}

interface ExplainedCaller {
  readonly place: Coordinates | null;
  readonly country: string | null;
  /** For people. */
  readonly how: string;
}

async function placeOfAddress(text: string): Promise<ExplainedCaller> {
  const address = plainAddress(text);
  if (isIP(address) === 0) throw new BadArguments(`--ip must be an IP address, not "${text}".`);
  const kind = addressKind(address);
  if (kind !== 'public') return { place: null, country: null, how: `${address}, which is ${kind}: nowhere on a map` };
  const { lookUp } = await import('./placement/geoip.ts');
  const { country, city, at } = lookUp(address);
  if (country === null && at === null) {
    return { place: null, country: null, how: `${address}, whose place the database does not know` };
  }
  const where = [city, country].filter((part) => part !== null).join(', ');
  return { place: at, country, how: `${address}, in ${where} by geoip-lite` };
}

async function worldDocument(values: { world?: string; url?: string; key?: string }): Promise<WorldDocument> {
  if (values.world !== undefined) return readWorldDocument(await textOf(values.world), values.world);
  return fetchWorld(values);
}

async function policyOf(file: string | undefined, document: WorldDocument): Promise<Policy> {
  if (file === undefined) return document.policy ?? DEFAULT_POLICY;
  return readPolicy(await textOf(file), { services: serviceNames(loadCatalogue()) });
}

function popNode(region: string, { nodes }: WorldDocument): string {
  const pops = nodes.filter(({ role }) => role === 'pop');
  const found = pops.find((node) => node.region === region);
  if (found !== undefined) return found.nodeId;
  const known = [...new Set(pops.map((node) => node.region))].join(', ');
  throw new BadArguments(`--pop: no POP is in "${region}" (there are POPs in ${known || 'no region'}).`);
}
