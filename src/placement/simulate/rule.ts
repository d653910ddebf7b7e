/** What a rule of placement is to the simulation: somebody who is told a call and names its nodes. */

import type { Pin } from '../pin.ts';
import type { LegChoice, RefusalCode } from '../plan-types.ts';
import type { Seats } from './fleet.ts';

export interface CallToPlace {
  /** The day's number of the call: its weather goes by it. */
  readonly call: number;
  readonly city: number;
  readonly pins: readonly Pin[];
  /** Node that the caller has come in by and that still stands; null for a new call. */
  readonly popNode: number | null;
  /** Region of the core that it runs on and that still stands; null for a new call. */
  readonly currentCore: string | null;
}

export interface Placed {
  readonly popNode: number;
  readonly coreNode: number;
  readonly choices: readonly LegChoice[];
  /** US cents a minute; null when nobody knows. */
  readonly cents: number | null;
}

export const RULES = ['antipode', 'nearest', 'nearest-inference', 'map-distance'] as const;
export type RuleName = (typeof RULES)[number];

export const RULE_WORDS: Readonly<Record<RuleName, { title: string; what: string }>> = {
  antipode: { title: 'Antipode', what: 'the least predicted voice-to-voice time, by the policy' },
  nearest: { title: 'Nearest POP and core', what: 'POP and core nearest to the caller on the map' },
  'nearest-inference': {
    title: 'Nearest to inference',
    what: 'POP nearest to the caller, core nearest to the language model',
  },
  'map-distance': {
    title: 'Map distance',
    what: 'the region nearest on the map below 90 % load takes media and agent, as LiveKit’s region-aware selector does',
  },
};

export interface Rule {
  readonly name: RuleName;
  /** A new minute: what is known of the seats is renewed. */
  startMinute(seats: Seats): void;
  place(call: CallToPlace, seats: Seats): Placed | RefusalCode;
  /** The same rule for another run of the same day. */
  copy(): Rule;
}
