/** Public face of what operators look at. */
export { type ClusterView, clusterView, clusterViewSchema } from './cluster-view.ts';
export { type SessionList, type SessionSummary, sessionList, sessionListSchema } from './session-summary.ts';
export { statusLines } from './status-text.ts';
