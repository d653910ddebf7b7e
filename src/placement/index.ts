/** Public face of placement. */
export { type AddressKind, addressKind, plainAddress } from './address-kind.ts';
export type { PlacedAgent } from './agent-legs.ts';
export { type CallerPlace, CallerPlaces, type CallerPlacesOptions } from './caller-place.ts';
export { type CallerProbe, type CountedProbe, distanceToRegion, type PopCandidate } from './caller-probes.ts';
export {
  type CatalogueModel,
  type CatalogueService,
  catalogueEndpoints,
  toolEndpoints,
  type UsedAddress,
  usedEndpoints,
} from './catalogue-endpoints.ts';
export type { AiEndpoint, EndpointKind, ResidencyClass } from './endpoint.ts';
export {
  type Explanation,
  endpointsByLeg,
  explanationOf,
  figureInWords,
  PART_NAMES,
  rounded,
  roundedFigures,
  roundedParts,
  whyChosen,
} from './explanation.ts';
export { heldPins } from './held-pins.ts';
export { knownAgents } from './known-agents.ts';
export { PathBook, type PathMeasurement } from './paths.ts';
export { type Pin, parsePin, parsePins, pinInWords, pinsText } from './pin.ts';
export {
  drawOf,
  type PlaceAsk,
  type Placed,
  PlacementService,
  type PlacementServiceOptions,
} from './placement-service.ts';
export { Plan } from './plan.ts';
export type {
  PlanCandidate,
  PlanChoice,
  PlanLeg,
  PlanNode,
  PlanOutcome,
  PlanRequest,
  PlanWorld,
} from './plan-types.ts';
export { DEFAULT_POLICY, type Policy } from './policy.ts';
export { fixedPolicy, PolicyFile, type PolicySource, type PolicyStatus } from './policy-file.ts';
export { checkPolicy, policyJsonSchema, problemInWords, readPolicy } from './read-policy.ts';
export { type Coordinates, nearestWord, Regions } from './regions.ts';
export type { Reservation } from './reservations.ts';
export {
  breakOf,
  ResidencyRecord,
  type ResidencyRecordView,
  residencyRecordSchema,
} from './residency-record.ts';
export { type TerraformWorldOptions, worldFromTerraform } from './terraform-world.ts';
export {
  type ReadWorld,
  readWorldDocument,
  type WorldDocument,
  worldDocumentSchema,
  worldOf,
} from './world-document.ts';
