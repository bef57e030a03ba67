import type { TFunction } from "i18next";
import { i18next } from "../i18n";

/** The word for an act of the audit (`exam.rejected`); a new one is shown as its own code. */
export function actionName(action: string, t: TFunction): string {
  const key = `acts.${action.replace(/[.:\s-]/g, "_")}`;
  return i18next.exists(key) ? t(key as never) : action;
}

/** Any JSON value as one readable line: `reason: 113001 · series_uid: 1.2.3`. */
export function plainText(value: unknown): string {
  if (value === null || value === undefined || value === "") return "";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.map(plainText).join(", ");
  return Object.entries(value)
    .filter(([, one]) => one !== null && one !== "")
    .map(([name, one]) => `${name}: ${plainText(one)}`)
    .join(" · ");
}
