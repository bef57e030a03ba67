import { expect, test } from "vitest";
import { clockTime, day, elapsed, size } from "./values";

test("a DICOM date is the same day in every zone", () => {
  expect(day("2026-01-31", "fr")).toBe("31/01/2026");
  expect(day("2026-01-31", "en")).toBe("31/01/2026");
});

test("what is not a date is shown as it came", () => expect(day("202601", "fr")).toBe("202601"));

test("times lose their seconds", () => {
  expect(clockTime("14:05:09.120")).toBe("14:05");
  expect(clockTime(null)).toBe("");
});

test("sizes are decimal", () => {
  expect(size(999, "en")).toBe("999\u00a0B");
  expect(size(1_500_000, "en")).toBe("1.5\u00a0MB");
  expect(size(1_500_000, "fr")).toBe("1,5\u00a0Mo");
  expect(size(2e15, "en")).toBe("2,000\u00a0TB");
});

test.each([
  [40, "40 s"],
  [12 * 60, "12 min"],
  [3 * 3600 + 5 * 60, "3 h 05"],
  [5 * 86_400, "5 days"],
])("%d seconds", (seconds, text) => {
  const now = new Date("2026-01-31T12:00:00Z");
  expect(elapsed(new Date(now.getTime() - seconds * 1000).toISOString(), now, "en")).toBe(text);
});
