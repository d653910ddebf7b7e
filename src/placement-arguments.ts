/** Arguments of `antipode placement`: options, files and places on the map, read or refused in words. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Coordinates } from './placement/index.ts';

/** Wrong arguments: the message and the help are printed. */
export class BadArguments extends Error {}

/** @throws BadArguments */
export function placeAt(text: string): Coordinates {
  const [lat = Number.NaN, lon = Number.NaN, ...more] = text
    .split(',')
    .map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (more.length > 0 || !(Math.abs(lat) <= 90) || !(Math.abs(lon) <= 180)) {
    throw new BadArguments('--at must be a latitude and a longitude in degrees, such as -33.87,151.21.');
  }
  return { lat, lon };
}

/** @throws BadArguments for a file that cannot be read */
export async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new BadArguments(`Cannot read ${file}: ${(error as Error).message}`);
  }
}

type OptionTypes = Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>;

/** @throws BadArguments */
export function parse<const T extends OptionTypes>(argv: readonly string[], options: T, allowPositionals: boolean) {
  try {
    return parseArgs({ args: joined(argv, options), options, allowPositionals, strict: true });
  } catch (error) {
    throw new BadArguments((error as Error).message);
  }
}

/** `--at -33,151` as `--at=-33,151`: a southern latitude looks like an option. */
function joined(argv: readonly string[], options: OptionTypes): string[] {
  const args: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!;
    const next = argv[index + 1];
    if (options[word.slice(2)]?.type === 'string' && word.startsWith('--') && next !== undefined && /^-\d/.test(next)) {
      args.push(`${word}=${next}`);
      index++;
    } else args.push(word);
  }
  return args;
}
