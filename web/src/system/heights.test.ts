import { expect, test } from "vitest";
import { heights } from "./heights";

test("the highest value takes the whole height, and the rest in proportion", () => {
  expect(heights([10, 5, 20], 40)).toEqual([20, 10, 40]);
});

test("nothing is nothing, and a little can be seen beside much", () => {
  expect(heights([0, 1, 10_000], 40)).toEqual([0, 2, 40]);
  expect(heights([0, 0], 40)).toEqual([0, 0]);
  expect(heights([], 40)).toEqual([]);
});
