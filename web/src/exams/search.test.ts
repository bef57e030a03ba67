import { expect, test } from "vitest";
import { isFiltered, readState, toQuery, writeState } from "./query";
import { parseSearch, presetOf, presetRange, typedDate } from "./search";

test.each([
  ["12/03/1958", "1958-03-12"],
  ["1.2.1958", "1958-02-01"],
  ["1958-03-12", "1958-03-12"],
  ["31/02/1958", null],
  ["12/03/58", null],
  ["19580312", null],
])("%s typed as a date", (text, iso) => expect(typedDate(text)).toBe(iso));

test("a date among the words is a birth date, digits stay an identifier", () => {
  expect(parseSearch(" dupont 12/03/1958 jea ")).toEqual({ search: "dupont jea", birthDate: "1958-03-12" });
  expect(parseSearch("8012345")).toEqual({ search: "8012345", birthDate: null });
});

test("presets count both ends", () => {
  const today = new Date(2026, 2, 1, 23, 59);
  expect(presetRange("last7", today)).toEqual({ from: "2026-02-23", to: "2026-03-01" });
  expect(presetRange("yesterday", today)).toEqual({ from: "2026-02-28", to: "2026-02-28" });
  expect(presetOf("2026-03-01", "2026-03-01", today)).toBe("today");
  expect(presetOf("2026-03-01", undefined, today)).toBeNull();
});

test("the list is what its address says", () => {
  const params = new URLSearchParams("q=dupont&modality=CT&modality=MR&flagged=true&site_id=chu&sort=patient_name");
  const state = readState(params);
  expect(writeState(state).toString()).toBe(
    "q=dupont&site_id=chu&modality=CT&modality=MR&flagged=true&sort=patient_name",
  );
  expect(isFiltered(state)).toBe(true);
  expect(isFiltered(readState(new URLSearchParams("sort=patient_name")))).toBe(false);
});

test("a filter on the birth date wins over one in the search box", () => {
  const state = readState(new URLSearchParams("q=dupont 12/03/1958&birth_date=1960-01-01"));
  expect(toQuery(state, 50, undefined)).toMatchObject({ search: "dupont", birth_date: "1960-01-01", limit: 50 });
});
