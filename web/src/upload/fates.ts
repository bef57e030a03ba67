/** What can become of a file, and of the instances in it. */
import type { UploadRow } from "../api/types";

export const STATES = [
  "waiting",
  "needs_target",
  "sending",
  "processing",
  "stored",
  "already_stored",
  "kept_aside",
  "mixed",
  "refused",
  "failed",
  "cancelled",
  "ignored",
] as const;
export type UploadState = (typeof STATES)[number];
/** `already-stored`, `ALREADY_STORED` and `already_stored` are one fate. */
export const fateName = (fate: string): string => {
  const name = fate.toLowerCase().replace(/-/g, "_");
  return name === "skipped" ? "ignored" : name;
};

/** The fate of a file from the fates of what was in it. */
export function stateOfRows(rows: UploadRow[]): UploadState {
  const all = rows.map((row) => fateName(row.fate));
  // System files in a folder or a ZIP say nothing about the images beside them.
  const images = all.filter((fate) => fate !== "ignored");
  const fates = new Set(images.length ? images : all);
  if (fates.size > 1) return "mixed";
  const [only] = fates;
  return STATES.find((state) => state === only) ?? "refused";
}
