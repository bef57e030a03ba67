import type { TFunction } from "i18next";
import type { PersonRecord } from "../api/identity";
import { i18next } from "../i18n";

/** The words for a slug of the platform; one that is new here is shown as it is. */
export function identityWord(
  part: "reason" | "trait" | "status" | "flag" | "kind" | "source",
  code: string,
  t: TFunction,
): string {
  const key = `identity.${part}.${code.replace(".", "_")}`;
  return i18next.exists(key) ? t(key as never) : code;
}

/** Birth name and first name, with the used name where it is another one. */
export function fullName(record: PersonRecord): string {
  const family = record.birth_family ?? record.used_family ?? "";
  const first = record.birth_first ?? record.used_given ?? "";
  const used = record.birth_family && record.used_family && record.used_family !== record.birth_family;
  return `${family}${used ? ` (${record.used_family})` : ""} ${first}`.trim();
}
