/** Numbers, dates and sizes in the reader's locale. DICOM dates have no zone: they are never shifted. */

const TAG: Record<string, string> = { fr: "fr-FR", en: "en-GB" };
export const localeTag = (language: string): string => TAG[language] ?? "en-GB";

const cache = new Map<string, Intl.DateTimeFormat>();
function dateFormat(language: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language + JSON.stringify(options);
  let format = cache.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(localeTag(language), options);
    cache.set(key, format);
  }
  return format;
}

/** `2026-01-31` -> `31/01/2026`; what is not a date is shown as it came. */
export function day(iso: string | null | undefined, language: string): string {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(iso ?? "");
  if (!match) return iso ?? "";
  const date = new Date(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])));
  return dateFormat(language, { day: "2-digit", month: "2-digit", year: "numeric", timeZone: "UTC" }).format(date);
}

/** `14:05:09.120` -> `14:05`. */
export function clockTime(time: string | null | undefined): string {
  return /^\d{2}:\d{2}/.exec(time ?? "")?.[0] ?? "";
}

/** An instant (UTC) in the reader's zone. */
export function instant(iso: string | null | undefined, language: string, seconds = false): string {
  const date = new Date(iso ?? "");
  if (!iso || Number.isNaN(date.getTime())) return "";
  return dateFormat(language, {
    day: "2-digit",
    month: "2-digit",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: seconds ? "2-digit" : undefined,
  })
    .format(date)
    .replace(",", "");
}

export function number(value: number, language: string): string {
  // The platform says -1 for a figure that it is still gathering.
  if (value < 0) return "…";
  return new Intl.NumberFormat(localeTag(language)).format(value);
}

export function percent(share: number, language: string): string {
  return new Intl.NumberFormat(localeTag(language), { style: "percent", maximumFractionDigits: 0 }).format(share);
}

const UNITS = { fr: ["o", "ko", "Mo", "Go", "To"], en: ["B", "kB", "MB", "GB", "TB"] } as const;

/** Decimal sizes, as disks and networks count: 1 kB = 1000 bytes. */
export function size(bytes: number | null | undefined, language: string): string {
  if (bytes === null || bytes === undefined || !Number.isFinite(bytes)) return "";
  if (bytes < 0) return "…";
  const units = language === "fr" ? UNITS.fr : UNITS.en;
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  const text = new Intl.NumberFormat(localeTag(language), { maximumFractionDigits: digits }).format(value);
  return `${text}\u00a0${units[unit]}`;
}

/** The time since an instant, as `duration` says it. */
export function elapsed(from: string, now: Date, language: string): string {
  return duration((now.getTime() - new Date(from).getTime()) / 1000, language);
}

/** Elapsed time as `3 h 05`, `12 min`, `40 s` or `5 days`. */
export function duration(of: number, language: string): string {
  const seconds = Math.max(0, Math.round(of));
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")}`;
  return new Intl.NumberFormat(localeTag(language), { style: "unit", unit: "day", unitDisplay: "long" }).format(
    Math.floor(hours / 24),
  );
}
