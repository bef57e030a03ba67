import { expect, test } from "vitest";
import { ageAt, personName, typedName } from "./person";

test.each([
  ["DUPONT^Jeanne", "DUPONT Jeanne"],
  ["dupont^Jeanne^Marie^Dr^II", "DUPONT Jeanne Marie"],
  ["Le Goff^Anne", "LE GOFF Anne"],
  ["Yamada^Tarou=山田^太郎=やまだ^たろう", "YAMADA Tarou"],
  ["^Jeanne", "Jeanne"],
  ["", ""],
])("%s is read as %s", (pn, name) => expect(personName(pn)).toBe(name));

test("nobody has no name", () => expect(personName(null)).toBe(""));

test("a typed name cannot smuggle components in", () => {
  expect(typedName(" DUPONT^x ", "Jeanne=")).toBe("DUPONT x^Jeanne");
  expect(typedName("DUPONT", "")).toBe("DUPONT");
});

test.each([
  ["1958-03-12", "2026-03-11", { unit: "years", count: 67 }],
  ["1958-03-12", "2026-03-12", { unit: "years", count: 68 }],
  ["2024-02-29", "2026-02-28", { unit: "months", count: 23 }],
  ["2026-01-01", "2026-01-31", { unit: "days", count: 30 }],
  ["2026-01-01", "2026-01-01", { unit: "days", count: 0 }],
])("born %s, at %s", (born, at, age) => expect(ageAt(born, at)).toEqual(age));

test("no age before birth, nor without a date", () => {
  expect(ageAt("2026-02-01", "2026-01-01")).toBeNull();
  expect(ageAt(null, "2026-01-01")).toBeNull();
  expect(ageAt("1111-11-11", "2026-01-01")).toBeNull();
});
