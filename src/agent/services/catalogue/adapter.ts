/** What the makers of adapters share: which model, and the refusal of a protocol that nothing here speaks. */
import { AntipodeError } from '../../../errors.ts';
import type { CatalogueEntry } from './schema.ts';

/** Stands for a service that a benchmark or a price page names without a model. */
export const UNNAMED_MODEL = 'default';

/** By dialect: what is spoken here, and the model of an adapter that need not be told one. */
export type Adapters = Readonly<Record<string, { readonly model: string | null }>>;

export function speaks(adapters: Adapters, { dialect }: CatalogueEntry): boolean {
  return Object.hasOwn(adapters, dialect);
}

/**
 * The model to use: the wanted one, else the adapter's own choice, else the first that the entry names.
 * @throws ERR_CONFIG_INVALID when there is none, or nothing here speaks the entry's dialect
 */
export function modelOf(entry: CatalogueEntry, wanted: string | undefined, adapters: Adapters): string {
  const adapter = speaks(adapters, entry) ? adapters[entry.dialect] : undefined;
  if (adapter === undefined) throw nothingSpeaks(entry);
  const named = entry.models.find(({ id }) => id !== UNNAMED_MODEL)?.id;
  const model = wanted ?? adapter.model ?? named;
  if (model !== undefined) return model;
  throw new AntipodeError('ERR_CONFIG_INVALID', `${entry.name} has no model of its own: name one.`, { path: 'model' });
}

export function nothingSpeaks({ id, dialect }: CatalogueEntry): AntipodeError {
  return new AntipodeError('ERR_CONFIG_INVALID', `Service ${id}: nothing here speaks "${dialect}".`, { path: id });
}
