/** Waits for what another thread of events brings about: no fixed times, one generous limit. */

/** Resolves when `condition` holds. @throws when it does not within `limitMs` */
export async function eventually(condition: () => boolean, limitMs = 3_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`did not come about in ${limitMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
