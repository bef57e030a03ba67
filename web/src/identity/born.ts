import { day } from "../format/values";

/** A whole date in the language of the page; a part of one, or a day that no calendar has, as it was said. */
export function born(value: string | null, language: string): string {
  const said = (value ?? "").replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3");
  const whole = /^\d{4}-\d\d-\d\d$/.test(said) && new Date(`${said}T00:00:00Z`).toJSON()?.startsWith(said);
  return whole ? day(said, language) : said;
}
