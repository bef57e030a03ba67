import { expect, test } from "vitest";
import dictionary from "./dictionary.json";
import { filterLines, isPrivate, keywordOf, openLines, printTag, tagLines } from "./tags";

const object = {
  "00100010": { vr: "PN", Value: [{ Alphabetic: "DUPONT^Jeanne", Ideographic: "山田" }] },
  "00080008": { vr: "CS", Value: ["ORIGINAL", "PRIMARY"] },
  "00400275": { vr: "SQ", Value: [{ "00401001": { vr: "SH", Value: ["RP-1"] } }, {}] },
  "00091010": { vr: "OB", InlineBinary: "AAECAw==" },
  "7FE00010": { vr: "OW", BulkDataURI: "x" },
  "00100040": { vr: "CS" },
};
const lines = tagLines(object, dictionary);

test("lines come in the order of tags, items inside their sequence", () => {
  expect(lines.map((line) => line.path)).toEqual([
    "00080008",
    "00091010",
    "00100010",
    "00100040",
    "00400275",
    "00400275/1",
    "00400275/1/00401001",
    "00400275/2",
    "7FE00010",
  ]);
  expect(lines.map((line) => line.depth)).toEqual([0, 0, 0, 0, 0, 1, 2, 1, 0]);
});

test("values are read as text", () => {
  const value = (path: string) => lines.find((line) => line.path === path)?.value;
  expect(value("00100010")).toBe("DUPONT^Jeanne=山田");
  expect(value("00080008")).toBe("ORIGINAL \\ PRIMARY");
  expect(value("00100040")).toBe("");
  expect(lines.find((line) => line.path === "00091010")).toMatchObject({ binary: "inline", bytes: 4, private: true });
});

test("keywords come from the dictionary (PS3.6), repeating groups too", () => {
  expect(keywordOf("00100010", dictionary)).toBe("PatientName");
  expect(keywordOf("0008103e", dictionary)).toBe("SeriesDescription");
  expect(keywordOf("60020010", dictionary)).toBe("OverlayRows");
  expect(keywordOf("00090010", dictionary)).toBe("PrivateCreator");
  expect(isPrivate("00091010")).toBe(true);
  expect(printTag("00100010")).toBe("(0010,0010)");
});

test.each([
  ["patientname", ["00100010"]],
  ["Patient Name", ["00100010"]],
  ["(0010,0040)", ["00100040"]],
  ["rp-1", ["00400275", "00400275/1", "00400275/1/00401001"]],
  ["nothing like it", []],
])("the filter %s", (text, paths) => expect(filterLines(lines, text).map((line) => line.path)).toEqual(paths));

test("a closed sequence hides all that is in it", () => {
  expect(openLines(lines, new Set(["00400275"])).some((line) => line.path.startsWith("00400275/"))).toBe(false);
});
