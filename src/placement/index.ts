/** Public face of placement. */
export { type AddressKind, addressKind, plainAddress } from './address-kind.ts';
export { type CallerPlace, CallerPlaces, type CallerPlacesOptions } from './caller-place.ts';
export { type Candidate, type Decision, decide, type ExclusionCode } from './decide.ts';
export { knownAgents, type PlacementRequest, regionWithin, type World } from './world.ts';
