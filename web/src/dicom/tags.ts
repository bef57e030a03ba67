/** A DICOM JSON object (PS3.18 F) as the flat list of lines that the tag browser shows. */
import type { DicomElement, DicomObject } from "../api/types";
import { size } from "../format/values";

export type Dictionary = Record<string, string>;

export interface TagLine {
  /** Where it stands: tags and item numbers joined by `/`. */
  path: string;
  depth: number;
  kind: "attribute" | "item";
  tag: string;
  keyword: string;
  vr: string;
  /** Text of the value; empty for sequences, items and binary. */
  value: string;
  itemCount: number;
  itemNumber: number;
  binary: "" | "inline" | "apart";
  bytes: number | null;
  private: boolean;
}

export const isPrivate = (tag: string): boolean => Number.parseInt(tag.slice(0, 4), 16) % 2 === 1;

/** `00100010` -> `(0010,0010)`, as the standard prints it. */
export const printTag = (tag: string): string => `(${tag.slice(0, 4)},${tag.slice(4)})`;

/** The keyword, also for the repeating groups `50xx`, `60xx` of the dictionary. */
export function keywordOf(tag: string, dictionary: Dictionary): string {
  const upper = tag.toUpperCase();
  if (upper.endsWith("0000")) return dictionary[upper] ?? "GroupLength";
  if (isPrivate(upper)) return /^....00[1-F]./.test(upper) ? "PrivateCreator" : "";
  return dictionary[upper] ?? dictionary[`${upper.slice(0, 2)}xx${upper.slice(4)}`] ?? "";
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  const name = value as { Alphabetic?: string; Ideographic?: string; Phonetic?: string };
  return [name.Alphabetic, name.Ideographic, name.Phonetic]
    .map((part) => part ?? "")
    .join("=")
    .replace(/=+$/, "");
}

function line(tag: string, element: DicomElement, path: string, depth: number, dictionary: Dictionary): TagLine {
  const sequence = element.vr === "SQ";
  const inline = element.InlineBinary;
  return {
    path,
    depth,
    kind: "attribute",
    tag,
    keyword: keywordOf(tag, dictionary),
    vr: element.vr,
    value: sequence ? "" : (element.Value ?? []).map(textOf).join(" \\ "),
    itemCount: sequence ? (element.Value?.length ?? 0) : 0,
    itemNumber: 0,
    binary: element.BulkDataURI ? "apart" : inline ? "inline" : "",
    bytes: inline ? Math.floor((inline.replace(/=+$/, "").length * 3) / 4) : null,
    private: isPrivate(tag),
  };
}

/** All lines, nested ones too, in the order of the tags. */
export function tagLines(object: DicomObject, dictionary: Dictionary, prefix = "", depth = 0): TagLine[] {
  const lines: TagLine[] = [];
  for (const tag of Object.keys(object).sort()) {
    const element = object[tag];
    if (!element) continue;
    const path = prefix + tag;
    const own = line(tag, element, path, depth, dictionary);
    lines.push(own);
    if (element.vr !== "SQ") continue;
    (element.Value ?? []).forEach((item, index) => {
      const itemPath = `${path}/${index + 1}`;
      lines.push({
        ...own,
        path: itemPath,
        depth: depth + 1,
        kind: "item",
        itemNumber: index + 1,
        itemCount: 0,
        keyword: "",
      });
      lines.push(...tagLines((item ?? {}) as DicomObject, dictionary, `${itemPath}/`, depth + 2));
    });
  }
  return lines;
}

const parents = (path: string): string[] => {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
};

/** Lines that match, with the sequences and items that lead to them. `patientname`, `0010,0010` and values all match. */
export function filterLines(lines: TagLine[], search: string): TagLine[] {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return lines;
  const digits = wanted.replace(/[(),\s]/g, "");
  const asTag = /^[0-9a-f]{4,8}$/.test(digits) ? digits.toUpperCase() : null;
  const keep = new Set<string>();
  for (const one of lines) {
    if (one.kind === "item") continue;
    const hit =
      one.keyword.toLowerCase().includes(wanted.replace(/\s+/g, "")) ||
      one.value.toLowerCase().includes(wanted) ||
      (asTag !== null && one.tag.includes(asTag));
    if (!hit) continue;
    keep.add(one.path);
    for (const parent of parents(one.path)) keep.add(parent);
  }
  return lines.filter((one) => keep.has(one.path));
}

/** Lines that no closed sequence hides. */
export function openLines(lines: TagLine[], closed: ReadonlySet<string>): TagLine[] {
  return lines.filter((one) => parents(one.path).every((parent) => !closed.has(parent)));
}

export const printSize = (bytes: number | null, language: string): string =>
  bytes === null ? "" : size(bytes, language);
