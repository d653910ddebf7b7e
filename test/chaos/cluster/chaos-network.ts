/** The network under a chaos run: what a host is, and what can be done between two of them. */

/** One machine, as its programs see it. */
export interface ChaosHost {
  readonly name: string;
  /** Where its programs listen. */
  readonly ip: string;
  /** By which the other hosts know it. */
  readonly announced: string;
  /** Put before a program. */
  readonly command: readonly string[];
  readonly httpPort: number;
  readonly mediaPort: number;
  readonly controlPort: number;
  readonly backbonePorts: { min: number; max: number };
}

export interface ChaosNetwork extends AsyncDisposable {
  readonly kind: 'namespaces' | 'loopback';
  /** What a reader of the result must know; null: nothing. */
  readonly note: string | null;
  host(name: string): Promise<ChaosHost>;
  /** What goes from one host to the other is lost, until it is mended. */
  cut(from: ChaosHost, to: ChaosHost, isCut: boolean): Promise<void>;
}

/** Media pipes of one host: a port a worker and peer. */
export const BACKBONE_PORTS = 16;
