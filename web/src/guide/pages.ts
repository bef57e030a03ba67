import type { LOCALES } from "../i18n";

/** In the order of the menu; `start` is for everybody, the others for one role each. */
export const PAGES = [
  "start",
  "radiologist",
  "technician",
  "requesting-doctor",
  "physicist",
  "secretary",
  "identity-officer",
  "site-administrator",
  "administrator",
] as const;

const files = import.meta.glob<string>("../../../docs/guide/{en,fr}/*.md", { query: "?raw", import: "default" });

/** The text of one page of docs/guide. */
export async function loadPage(locale: (typeof LOCALES)[number], page: string): Promise<string> {
  const load = files[`../../../docs/guide/${locale}/${page}.md`];
  return load ? load() : "";
}
