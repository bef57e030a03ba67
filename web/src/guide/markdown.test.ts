import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blocksOf, pageOf, spansOf } from "./markdown";

const GUIDE = join(import.meta.dirname, "../../../docs/guide");

test("blocks", () => {
  expect(
    blocksOf("# A\n\ntwo\nlines\n\n![x](y.png)\n\n1. a\n2. b\n\n| h | i |\n|---|---|\n| 1 | 2 |\n\n```\nrun\n```"),
  ).toEqual([
    { kind: "heading", level: 1, text: "A" },
    { kind: "paragraph", text: "two lines" },
    { kind: "list", ordered: true, items: ["a", "b"] },
    { kind: "table", head: ["h", "i"], rows: [["1", "2"]] },
    { kind: "code", text: "run" },
  ]);
});

test("spans", () => {
  expect(spansOf("a **b** *c* `d` [e](f.md)")).toEqual([
    { kind: "text", text: "a " },
    { kind: "strong", text: "b" },
    { kind: "text", text: " " },
    { kind: "emphasis", text: "c" },
    { kind: "text", text: " " },
    { kind: "code", text: "d" },
    { kind: "text", text: " " },
    { kind: "link", text: "e", to: "f.md" },
  ]);
});

test("links", () => {
  expect(pageOf("start.md#flags")).toBe("start");
  expect(pageOf("../../operate/README.md")).toBeUndefined();
});

test("both languages have the same pages, with the same blocks", () => {
  const pages = readdirSync(join(GUIDE, "en")).sort();
  expect(readdirSync(join(GUIDE, "fr")).sort()).toEqual(pages);
  const shape = (locale: string, page: string) =>
    blocksOf(readFileSync(join(GUIDE, locale, page), "utf8")).map((block) => block.kind);
  for (const page of pages) expect([page, ...shape("fr", page)]).toEqual([page, ...shape("en", page)]);
});
