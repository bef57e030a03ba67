/** What was typed in the search box: a date in it is a birth date, the rest goes to the platform's search. */

export interface ParsedSearch {
  search: string;
  birthDate: string | null;
}

function iso(year: number, month: number, dayOfMonth: number): string | null {
  const date = new Date(Date.UTC(year, month - 1, dayOfMonth));
  const real = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === dayOfMonth;
  if (!real || year < 1880 || year > 2200) return null;
  return date.toISOString().slice(0, 10);
}

/** A date as it is written in France and Britain (`12/03/1958`) or ISO; two-digit years are not guessed. */
export function typedDate(text: string): string | null {
  const local = /^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})$/.exec(text.trim());
  if (local) return iso(Number(local[3]), Number(local[2]), Number(local[1]));
  const year = /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$/.exec(text.trim());
  if (year) return iso(Number(year[1]), Number(year[2]), Number(year[3]));
  return null;
}

/** Eight bare digits stay digits: they are a patient's number far more often than a date. */
export function parseSearch(text: string): ParsedSearch {
  let birthDate: string | null = null;
  const words: string[] = [];
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const date: string | null = birthDate === null ? typedDate(word) : null;
    if (date) birthDate = date;
    else words.push(word);
  }
  return { search: words.join(" "), birthDate };
}

export const PRESETS = ["today", "yesterday", "last7", "last30", "last365"] as const;
export type Preset = (typeof PRESETS)[number];

const local = (date: Date): string =>
  `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;

function daysBefore(today: Date, count: number): string {
  return local(new Date(today.getFullYear(), today.getMonth(), today.getDate() - count));
}

/** The days of a preset, both included, in the reader's zone. */
export function presetRange(preset: Preset, today: Date): { from: string; to: string } {
  const back: Record<Preset, number> = { today: 0, yesterday: 1, last7: 6, last30: 29, last365: 364 };
  return { from: daysBefore(today, back[preset]), to: preset === "yesterday" ? daysBefore(today, 1) : local(today) };
}

export function presetOf(from: string | undefined, to: string | undefined, today: Date): Preset | null {
  return (
    PRESETS.find((preset) => {
      const range = presetRange(preset, today);
      return range.from === from && range.to === to;
    }) ?? null
  );
}
