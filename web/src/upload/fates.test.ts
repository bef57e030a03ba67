import { expect, test } from "vitest";
import type { UploadRow } from "../api/types";
import { stateOfRows } from "./fates";
import { kindOfHead, kindOfName } from "./kinds";

const row = (fate: string): UploadRow => ({ name: "x", fate, study_uid: null, sop_instance_uid: null, reason: null });

test("a file has the fate of what was in it", () => {
  expect(stateOfRows([row("stored")])).toBe("stored");
  expect(stateOfRows([row("ALREADY_STORED"), row("already-stored")])).toBe("already_stored");
  expect(stateOfRows([row("stored"), row("refused")])).toBe("mixed");
  expect(stateOfRows([row("stored"), row("skipped")])).toBe("stored");
  expect(stateOfRows([row("skipped")])).toBe("ignored");
  expect(stateOfRows([])).toBe("refused");
});

test.each([
  ["a/b/IM0001", null],
  ["IM0001.dcm", "dicom"],
  ["exam.ZIP", "zip"],
  ["letter.pdf", "document"],
  ["photo.JPEG", "document"],
  ["a/.DS_Store", "ignored"],
  ["cd/DICOMDIR", "ignored"],
  ["__MACOSX/a/b", "ignored"],
])("%s by its name", (path, kind) => expect(kindOfName(path)).toBe(kind));

test("the first bytes decide when the name does not", () => {
  const bytes = (text: string, at = 0) => {
    const head = new Uint8Array(132);
    head.set(
      [...text].map((letter) => letter.charCodeAt(0)),
      at,
    );
    return head;
  };
  expect(kindOfHead(bytes("DICM", 128))).toBe("dicom");
  expect(kindOfHead(bytes("%PDF-1.7"))).toBe("document");
  expect(kindOfHead(bytes("\xff\xd8\xff"))).toBe("document");
  expect(kindOfHead(bytes("\x89PNG"))).toBe("document");
  expect(kindOfHead(bytes("ftyp", 4))).toBe("document");
  expect(kindOfHead(bytes("PK\u0003\u0004"))).toBe("zip");
  expect(kindOfHead(new Uint8Array(3))).toBe("dicom");
});
