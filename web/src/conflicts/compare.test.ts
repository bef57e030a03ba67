import { expect, test } from "vitest";
import type { Conflict } from "../api/types";
import { comparedLines, differingPart } from "./compare";

test("differences come first, then what is common", () => {
  const conflict = {
    archived: { PatientSex: "F", PatientName: "DUPONT^Jeanne", PatientID: "1" },
    received: { PatientSex: "F", PatientName: "DUPOND^Jeanne", PatientID: "1" },
    differences: [{ path: "00100010", keyword: "PatientName", archived: "DUPONT^Jeanne", received: "DUPOND^Jeanne" }],
  } as unknown as Conflict;
  expect(comparedLines(conflict).map(({ keyword, differs }) => [keyword, differs])).toEqual([
    ["PatientName", true],
    ["PatientID", false],
    ["PatientSex", false],
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
