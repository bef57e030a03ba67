import type { TFunction } from "i18next";
import { i18next } from "../i18n";

/** The word for an act of the audit (`archive.reject`); a new one is shown as its own code. */
export function actionName(action: string, t: TFunction): string {
  const key = `acts.${action.replace(/[.:\s-]/g, "_")}`;
  return i18next.exists(key) ? t(key) : action;
}

/** Any JSON value as one readable line: `code: 113001 · series_uid: 1.2.3`. */
export function plainText(value: unknown): string {
  if (value === null || value === undefined || value === "") return "";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.map(plainText).join(", ");
  return Object.entries(value)
    .filter(([, one]) => one !== null && one !== "")
    .map(([name, one]) => `${name}: ${plainText(one)}`)
    .join(" · ");
}

/** What names a record inside the platform says nothing to a reader. */
const HIDDEN = new Set(["object_id", "site_id", "note_uid"]);

/** The detail of an act in words: `Images: 12 · By: DICOMweb`. */
export function traceDetail(detail: unknown, t: TFunction): string {
  if (typeof detail !== "object" || detail === null) return plainText(detail);
  return Object.entries(detail)
    .filter(
      ([name, value]) =>
        !HIDDEN.has(name) && value !== null && value !== "" && !(Array.isArray(value) && !value.length),
    )
    .map(([name, value]) => {
      const known = `traced.${name}.${String(value).replace(/\./g, "_")}`;
      const label = `traced.${name}._`;
      const said = i18next.exists(known) ? t(known) : plainText(value);
      return t("traced.pair", { name: i18next.exists(label) ? t(label) : name, value: said });
    })
    .join(" · ");
}
