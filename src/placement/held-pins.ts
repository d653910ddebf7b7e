/** Which pins hold for a session: those of the policy, of its caller's country, of the request and of the agent. */
import type { PlacedAgent } from './agent-legs.ts';
import { type Pin, parsePins } from './pin.ts';
import type { Policy } from './policy.ts';

export interface HeldPins {
  readonly policy: Policy;
  /** Of the caller, ISO 3166-1 alpha-2. */
  readonly country: string | null;
  /** Of the request. */
  readonly asked: readonly Pin[];
  readonly agent: PlacedAgent | null;
}

/** All of them hold together, in this order. @throws ERR_REQUEST_MALFORMED for a policy whose pin was never checked */
export function heldPins({ policy, country, asked, agent }: HeldPins): Pin[] {
  const { pin, byCountry, whenUnknown } = policy.residency;
  const ofCountry = country === null ? whenUnknown : (byCountry[country] ?? null);
  return [
    ...(pin === null ? [] : parsePins(pin, 'policy')),
    ...(ofCountry === null ? [] : parsePins(ofCountry, `policy for ${country ?? 'unknown countries'}`)),
    ...asked,
    ...(agent === null || agent.pin === null ? [] : [agent.pin]),
  ];
}
