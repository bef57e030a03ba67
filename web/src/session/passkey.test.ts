import { expect, test } from "vitest";
import { toBytes, toText } from "./passkey";

// RFC 4648, 10 (without padding), and the two characters that differ from base64.
test.each([
  ["", []],
  ["Zg", [102]],
  ["Zm9vYg", [102, 111, 111, 98]],
  ["-_8", [251, 255]],
] as [string, number[]][])("%s and its bytes are each other's inverse", (text, bytes) => {
  expect([...toBytes(text)]).toEqual(bytes);
  expect(toText(Uint8Array.from(bytes).buffer)).toBe(text);
});
