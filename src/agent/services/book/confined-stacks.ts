/**
 * Stacks of a node's services at the endpoints that sessions were given: made once for each set of them, shared by the
 * sessions that have it, and kept with their connections for the next ones. A kind that has no allowed endpoint makes no
 * stack at all: such a session fails closed.
 */
import { AntipodeError } from '../../../errors.ts';
import type { ChosenService, ChosenServices } from './chosen-services.ts';
import { ServiceStack, type ServiceStackOptions } from './service-stack.ts';

/** Stacks that are kept though nobody uses them. */
const MAX_IDLE = 8;

export interface ConfinedStack {
  readonly stack: ServiceStack;
  /** The session is over. Idempotent. */
  release(): void;
}

interface Shared {
  readonly stack: ServiceStack;
  users: number;
}

export class ConfinedStacks {
  readonly #options: ServiceStackOptions;
  readonly #shared = new Map<string, Shared>();

  constructor(options: ServiceStackOptions) {
    this.#options = options;
  }

  /**
   * @param endpoints `service@region`, the preferred first
   * @throws ERR_PLACEMENT_RESIDENCY when a kind of service has none of them; ERR_CONFIG_INVALID when one cannot be used
   */
  acquire(endpoints: readonly string[]): ConfinedStack {
    const key = endpoints.join(' ');
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = {
        stack: new ServiceStack({ ...this.#options, chosen: confined(this.#options.chosen, endpoints) }),
        users: 0,
      };
      this.#shared.set(key, shared);
    }
    const mine = shared;
    mine.users += 1;
    // The newest in use goes last.
    this.#shared.delete(key);
    this.#shared.set(key, mine);
    let released = false;
    return {
      stack: mine.stack,
      release: () => {
        if (released) return;
        released = true;
        mine.users -= 1;
        if (mine.users === 0) this.#closeOldest();
      },
    };
  }

  /** Of the stacks that nobody uses, the oldest go first. */
  #closeOldest(): void {
    const idle = [...this.#shared].filter(([, { users }]) => users === 0);
    for (const [key, { stack }] of idle.slice(0, Math.max(0, idle.length - MAX_IDLE))) {
      this.#shared.delete(key);
      stack.close();
    }
  }

  /** Ends what is still under way. Idempotent. */
  close(): void {
    for (const { stack } of this.#shared.values()) stack.close();
    this.#shared.clear();
  }
}

function confined(chosen: ChosenServices, endpoints: readonly string[]): ChosenServices {
  return {
    stt: within('stt', chosen.stt, endpoints),
    llm: within('llm', chosen.llm, endpoints),
    tts: within('tts', chosen.tts, endpoints),
    // Speech to speech is no part of a stack.
    s2s: [],
  };
}

/** The chosen services at their allowed endpoints, in the order of these; programs of this node are always allowed. */
function within<K extends 'stt' | 'llm' | 'tts'>(
  kind: K,
  chosen: readonly ChosenService<K>[],
  endpoints: readonly string[],
): ChosenService<K>[] {
  const remote = endpoints.flatMap((id) => {
    const [service, region] = id.split('@') as [string, string | undefined];
    return chosen
      .filter(({ entry, choice }) => {
        if (entry === null || entry.id !== service) return false;
        // A choice without a region is one of the default address, or of one's own.
        if (choice.region === undefined) return region === 'own' || entry.endpoints[0]?.region === region;
        return choice.region === region;
      })
      .map((each) => ({ ...each, choice: { ...each.choice, region: region === 'own' ? undefined : region } }));
  });
  const allowed = [...remote, ...chosen.filter(({ entry }) => entry === null)];
  if (allowed.length > 0) return allowed;
  throw new AntipodeError(
    'ERR_PLACEMENT_RESIDENCY',
    `No ${kind} service of this node may be used within the session's pin: ${endpoints.join(', ') || 'none is allowed'}.`,
  );
}
