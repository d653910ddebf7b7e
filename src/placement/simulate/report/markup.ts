/** The report's small words: escaping and how figures are written. */

/** Names may come from a world file. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

export function milliseconds(value: number | null): string {
  return value === null ? '–' : Math.round(value).toLocaleString('en-US');
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}

/** Minute of the day -> 08:30. */
export function clockTime(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

/** A coordinate for SVG: a tenth of a unit is finer than anybody sees. */
export function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}
