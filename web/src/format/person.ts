/** A DICOM person name as people read it: `DUPONT^Jeanne^Marie^Dr` -> `DUPONT Jeanne Marie`. */
export function personName(pn: string | null | undefined): string {
  const alphabetic = (pn ?? "").split("=")[0] ?? "";
  const [family = "", given = "", middle = ""] = alphabetic.split("^").map((component) => component.trim());
  return [family.toLocaleUpperCase("fr"), given, middle].filter(Boolean).join(" ");
}

/** What a person typed (`DUPONT Jeanne`) as a DICOM person name; a caret that is there is kept. */
export function typedName(family: string, given: string): string {
  const clean = (text: string) =>
    text
      .replace(/[\^=\\]/g, " ")
      .replace(/\s+/g, " ")
      .trim();
  return given.trim() ? `${clean(family)}^${clean(given)}` : clean(family);
}

/** Older than anyone ever was: the date is a placeholder (`11111111`), not a birth. */
const AGE_YEARS_MAX = 130;

export type Age = { unit: "years" | "months" | "days"; count: number };

/** Age in the unit that a clinician would say: days under a month, months under two years. */
export function ageAt(birthDate: string | null | undefined, at: string | Date): Age | null {
  const born = parts(birthDate);
  const then = typeof at === "string" ? parts(at) : { y: at.getFullYear(), m: at.getMonth() + 1, d: at.getDate() };
  if (!born || !then) return null;
  const months = (then.y - born.y) * 12 + (then.m - born.m) - (then.d < born.d ? 1 : 0);
  if (months < 0 || months > AGE_YEARS_MAX * 12) return null;
  if (months >= 24) return { unit: "years", count: Math.floor(months / 12) };
  if (months >= 1) return { unit: "months", count: months };
  const days = (Date.UTC(then.y, then.m - 1, then.d) - Date.UTC(born.y, born.m - 1, born.d)) / 86_400_000;
  return days < 0 ? null : { unit: "days", count: days };
}

function parts(iso: string | null | undefined) {
  const match = /^(\d{4})-(\d{2})-(\d{2})/.exec(iso ?? "");
  return match ? { y: Number(match[1]), m: Number(match[2]), d: Number(match[3]) } : null;
}
