/** How loud each packet of a recorded script is, as a browser would write it into the packet's header (RFC 6464). */
import { createDecoder } from 'libopus-wasm';
import type { RecordedScript } from '../fake-pop/script.ts';

const RATE = 48_000;
const FULL_SCALE = 32_768;
const SILENT_DBOV = -127;

/** Of each packet, dBov: the mean power of what it decodes to. */
export async function levelsOf({ packets }: RecordedScript): Promise<number[]> {
  const decoder = await createDecoder({ channels: 1, sampleRate: RATE });
  try {
    // The second of two rounds, so that the loop has no seam.
    const levels = [...packets, ...packets].map((packet) => levelOf(decoder.decode(packet)));
    return levels.slice(packets.length);
  } finally {
    decoder.free();
  }
}

function levelOf(pcm: Int16Array): number {
  let power = 0;
  for (const sample of pcm) power += (sample / FULL_SCALE) ** 2;
  const dbov = 10 * Math.log10(power / pcm.length);
  return Math.round(Math.max(SILENT_DBOV, Math.min(0, dbov)));
}
