import type { TFunction } from "i18next";
import { i18next } from "../i18n";

/** The words for a kind or an action of the platform; one that is new here is shown as its code. */
export function conflictWord(
  part: "kind" | "explain" | "action" | "consequence" | "keyword",
  code: string,
  t: TFunction,
): string {
  const key = `conflicts.${part}.${code}`;
  if (i18next.exists(key)) return t(key as never);
  return part === "keyword" ? code : t(`conflicts.${part}.other`, { code });
}
