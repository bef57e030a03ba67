/** Two versions of the same thing, side by side. */
import type { Conflict } from "../api/types";

export interface ComparedLine {
  keyword: string;
  archived: string;
  received: string;
  differs: boolean;
  /** Needed to know whom and which exam one is looking at. */
  telling: boolean;
}

/** Who it is first, then the exam, then the rest as it comes. */
const ORDER = [
  "PatientName",
  "PatientID",
  "IssuerOfPatientID",
  "PatientBirthDate",
  "PatientSex",
  "AccessionNumber",
  "StudyDate",
  "StudyDescription",
];
const rank = (keyword: string): number => (ORDER.indexOf(keyword) + ORDER.length + 1) % (ORDER.length + 1);

const text = (value: unknown): string => (value === null || value === undefined ? "" : String(value));

/** Differences first, then what both have in common. */
export function comparedLines(conflict: Conflict): ComparedLine[] {
  const lines: ComparedLine[] = conflict.differences.map((one) => ({
    keyword: one.keyword || one.path,
    archived: text(one.archived),
    received: text(one.received),
    differs: true,
    telling: true,
  }));
  const known = new Set(lines.map((line) => line.keyword));
  for (const [keyword, value] of Object.entries(conflict.archived ?? {})) {
    const archived = text(value);
    if (known.has(keyword) || archived === "" || archived !== text(conflict.received?.[keyword])) continue;
    lines.push({ keyword, archived, received: archived, differs: false, telling: ORDER.includes(keyword) });
  }
  return lines.sort((a, b) => Number(b.differs) - Number(a.differs) || rank(a.keyword) - rank(b.keyword));
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
