import { expect, test } from "vitest";
import { born } from "./born";

test("a date is shown as far as it is known, and never as another one", () => {
  expect(born("1980-02-14", "fr")).toBe("14/02/1980");
  expect(born("19800214", "fr")).toBe("14/02/1980");
  expect(born("1980-14-02", "fr")).toBe("1980-14-02");
  expect(born("1980-02-30", "fr")).toBe("1980-02-30");
  expect(born("1980", "fr")).toBe("1980");
  expect(born(null, "fr")).toBe("");
});
