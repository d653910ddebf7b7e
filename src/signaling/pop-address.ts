/** URLs of a POP by the one that it announces, which is a base URL or that of its signaling, of http or of ws. */

/** Path of the probe, below a POP's base URL. */
export const PROBE_PATH = '/v1/probe';

/** Of the probe of a POP that announces this; null as for its base URL. */
export function probeUrlOf(announced: string | null): string | null {
  const base = popBaseUrl(announced);
  return base === null ? null : base + PROBE_PATH;
}

/** Of the signaling of a POP that announces this, `ws://pop.example/v1/signaling`; null as for its base URL. */
export function signalingUrlOf(announced: string | null): string | null {
  const base = popBaseUrl(announced);
  return base === null ? null : `${base.replace(/^http/, 'ws')}/v1/signaling`;
}

/** `http://pop.example`, without a slash at its end; null for what is no such URL. */
export function popBaseUrl(announced: string | null): string | null {
  if (announced === null || !URL.canParse(announced)) return null;
  const { protocol, host, pathname } = new URL(announced);
  const scheme = { 'ws:': 'http', 'http:': 'http', 'wss:': 'https', 'https:': 'https' }[protocol];
  if (scheme === undefined || host === '') return null;
  return `${scheme}://${host}${pathname.replace(/\/v1\/signaling$/, '').replace(/\/+$/, '')}`;
}
