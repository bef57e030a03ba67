/** Two versions of the same thing, side by side. */
import type { Conflict } from "../api/types";
import { type Dictionary, keywordOf } from "../dicom/tags";

export interface ComparedLine {
  path: string;
  keyword: string;
  archived: string;
  received: string;
  differs: boolean;
}

function text(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The last tag of a path names the attribute: `00400275.00401001`. */
function nameOf(path: string, dictionary: Dictionary): string {
  const tag = path.split(".").at(-1) ?? path;
  return /^[0-9A-F]{8}$/i.test(tag) ? keywordOf(tag, dictionary) || path : path;
}

/** Differences first, then what both have in common. */
export function comparedLines(conflict: Conflict, dictionary: Dictionary): ComparedLine[] {
  const differing = new Map(conflict.differences.map((one) => [one.path, one]));
  const lines: ComparedLine[] = conflict.differences.map((one) => ({
    path: one.path,
    keyword: one.keyword || nameOf(one.path, dictionary),
    archived: text(one.archived),
    received: text(one.received),
    differs: true,
  }));
  const paths = new Set([...Object.keys(conflict.archived ?? {}), ...Object.keys(conflict.received ?? {})]);
  for (const path of [...paths].sort()) {
    if (differing.has(path)) continue;
    const archived = text(conflict.archived?.[path]);
    const received = text(conflict.received?.[path]);
    if (archived !== received) continue;
    lines.push({ path, keyword: nameOf(path, dictionary), archived, received, differs: false });
  }
  return lines;
}

export interface Parted {
  before: string;
  middle: string;
  after: string;
}

/** What is not common to both texts, between their common beginning and their common end. */
export function differingPart(own: string, other: string): Parted {
  let start = 0;
  while (start < own.length && start < other.length && own[start] === other[start]) start += 1;
  let end = 0;
  while (end < own.length - start && end < other.length - start && own.at(-1 - end) === other.at(-1 - end)) end += 1;
  return {
    before: own.slice(0, start),
    middle: own.slice(start, own.length - end),
    after: own.slice(own.length - end),
  };
}
