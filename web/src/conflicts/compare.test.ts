import { expect, test } from "vitest";
import type { Conflict } from "../api/types";
import dictionary from "../dicom/dictionary.json";
import { comparedLines, differingPart } from "./compare";

test("differences come first, then what is common", () => {
  const conflict = {
    archived: { "00100010": "DUPONT^Jeanne", "00100020": "1" },
    received: { "00100010": "DUPOND^Jeanne", "00100020": "1" },
    differences: [{ path: "00100010", keyword: null, archived: "DUPONT^Jeanne", received: "DUPOND^Jeanne" }],
  } as unknown as Conflict;
  expect(comparedLines(conflict, dictionary).map(({ keyword, differs }) => [keyword, differs])).toEqual([
    ["PatientName", true],
    ["PatientID", false],
  ]);
});

test.each([
  ["DUPONT^Jeanne", "DUPOND^Jeanne", "T"],
  ["19580312", "19581203", "0312"],
  ["same", "same", ""],
  ["AA", "A", "A"],
  ["", "x", ""],
])("%s beside %s", (own, other, middle) => {
  const parted = differingPart(own, other);
  expect(parted.middle).toBe(middle);
  expect(parted.before + parted.middle + parted.after).toBe(own);
});
