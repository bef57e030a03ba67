import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { en } from "./en";
import { fr } from "./fr";
import { type Tree, unbroken, withMany } from "./plurals";

function keys(tree: Tree, prefix = ""): string[] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === "string" ? [prefix + key] : keys(value, `${prefix}${key}.`),
  );
}
const all = keys(en);
const text = (tree: Tree, key: string) =>
  key.split(".").reduce<Tree | string>((at, part) => (at as Tree)[part] ?? "", tree) as string;
const holes = (sentence: string) => [...sentence.matchAll(/{{(\w+)}}/g)].map((match) => match[1]).sort();

test("both languages say the same things", () => expect(keys(fr)).toEqual(all));

test("both languages fill the same holes", () => {
  for (const key of all) expect([key, holes(text(fr, key))]).toEqual([key, holes(text(en, key))]);
});

test("French puts a space that does not break a sentence in two before its high signs", () => {
  const bare = all.filter((key) => /[^\s\d"«|:}]([!?;]|:(?!\d))(\s|$)/.test(text(fr, key)));
  expect(bare).toEqual([]);
});

test("the space before a French high sign does not break", () => {
  expect(unbroken({ a: { b: "Quoi ? « Rien » : rien" } })).toEqual({
    a: { b: "Quoi\u00a0? «\u00a0Rien\u00a0»\u00a0: rien" },
  });
});

test("French has its plural of a million", () => {
  expect(withMany({ a_one: "x", a_other: "y" })).toEqual({ a_one: "x", a_other: "y", a_many: "y" });
});

test("every key that the app asks for exists", () => {
  const root = join(import.meta.dirname, "..");
  const sources = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) =>
    /(?<!\.test)\.tsx?$/.test(file),
  );
  const known = new Set(all.flatMap((key) => [key, key.replace(/_(one|other)$/, "")]));
  const missing = sources.flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/\bt\(\s*"([\w.-]+)"/g)]
      .map((match) => match[1] as string)
      .filter((key) => !known.has(key)),
  );
  expect(missing).toEqual([]);
});
