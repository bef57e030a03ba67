/** The part of Markdown that the pages of docs/guide are written in. */
export type Block =
  | { kind: "heading"; level: number; text: string }
  | { kind: "paragraph"; text: string }
  | { kind: "code"; text: string }
  | { kind: "list"; ordered: boolean; items: string[] }
  | { kind: "table"; head: string[]; rows: string[][] };

export type Span =
  | { kind: "text"; text: string }
  | { kind: "strong"; text: string }
  | { kind: "emphasis"; text: string }
  | { kind: "code"; text: string }
  | { kind: "link"; text: string; to: string };

const cells = (line: string) =>
  line
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim());

/** One block, from the lines between two empty ones. */
function blockOf(lines: string[]): Block | null {
  const [first = ""] = lines;
  const heading = /^(#+) (.*)/.exec(first);
  if (heading?.[1]) return { kind: "heading", level: heading[1].length, text: heading[2] ?? "" };
  if (first.startsWith("![")) return null; // a picture of this very app
  if (first.startsWith("```")) return { kind: "code", text: lines.slice(1, -1).join("\n") };
  if (first.startsWith("|")) return { kind: "table", head: cells(first), rows: lines.slice(2).map(cells) };
  const item = /^(- |\d+\. )/;
  if (item.test(first)) {
    return { kind: "list", ordered: /^\d/.test(first), items: lines.map((line) => line.replace(item, "")) };
  }
  return { kind: "paragraph", text: lines.join(" ") };
}

export function blocksOf(markdown: string): Block[] {
  return markdown
    .split(/\n{2,}/)
    .map((part) => blockOf(part.trim().split("\n")))
    .filter((block) => block !== null);
}

const SPAN = /\*\*(.+?)\*\*|\*(.+?)\*|`(.+?)`|\[(.+?)\]\((.+?)\)/g;

export function spansOf(text: string): Span[] {
  const spans: Span[] = [];
  let end = 0;
  for (const found of text.matchAll(SPAN)) {
    const [whole, strong, emphasis, code, label, to] = found;
    if (found.index > end) spans.push({ kind: "text", text: text.slice(end, found.index) });
    if (strong) spans.push({ kind: "strong", text: strong });
    else if (emphasis) spans.push({ kind: "emphasis", text: emphasis });
    else if (code) spans.push({ kind: "code", text: code });
    else if (label && to) spans.push({ kind: "link", text: label, to });
    end = found.index + whole.length;
  }
  if (end < text.length) spans.push({ kind: "text", text: text.slice(end) });
  return spans;
}

/** The page of the guide that a link of another one leads to; nothing for what the app does not hold. */
export const pageOf = (to: string): string | undefined => /^([a-z-]+)\.md(#.*)?$/.exec(to)?.[1];
