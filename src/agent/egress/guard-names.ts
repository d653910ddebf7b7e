/**
 * The hooks in look-ups of names: what is asked for goes to servers that nobody chose, so a pinned session looks up only
 * what it may connect to.
 */
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { asAntipodeError } from '../../errors.ts';
import { currentEgress } from './egress-context.ts';

type LookUp = (this: unknown, name: unknown, ...rest: unknown[]) => unknown;
type Names = Record<string, LookUp>;

/** @returns what takes the hooks out */
export function guardNames(): () => void {
  const undo = [
    guardAll(dns as unknown as Names, toCallback),
    guardAll(dns.Resolver.prototype as unknown as Names, toCallback),
    guardAll(dns.promises as unknown as Names, (error) => Promise.reject(error)),
    guardAll(dns.promises.Resolver.prototype as unknown as Names, (error) => Promise.reject(error)),
  ];
  syncBuiltinESMExports();
  return () => {
    for (const each of undo) each();
    syncBuiltinESMExports();
  };
}

/** @param fail how the caller is told, in the place of an answer */
function guardAll(names: Names, fail: (error: Error, args: readonly unknown[]) => unknown): () => void {
  const originals = Object.keys(names)
    .filter((name) => /^(lookup|resolve|reverse)/.test(name) && typeof names[name] === 'function')
    .map((name) => [name, names[name]!] as const);
  for (const [name, original] of originals) {
    const guarded: LookUp = function guardedLookUp(...args) {
      try {
        if (typeof args[0] === 'string' && args[0] !== '') currentEgress()?.checkName(args[0]);
      } catch (error) {
        return fail(asAntipodeError(error, 'ERR_INTERNAL', 'A look-up was stopped.'), args);
      }
      return Reflect.apply(original, this, args);
    };
    // What `util.promisify` goes by.
    for (const symbol of Object.getOwnPropertySymbols(original)) {
      Object.defineProperty(guarded, symbol, Object.getOwnPropertyDescriptor(original, symbol)!);
    }
    names[name] = guarded;
  }
  return () => {
    for (const [name, original] of originals) names[name] = original;
  };
}

function toCallback(error: Error, args: readonly unknown[]): undefined {
  const callback = args.at(-1);
  if (typeof callback !== 'function') throw error;
  process.nextTick(() => callback(error));
}
