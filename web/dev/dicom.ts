/** One instance's header and one preview, as the platform would give them. */
import type { DicomObject, Instance, Series } from "../src/api/types";
import type { StoredExam } from "./data";

const one = (vr: string, ...Value: unknown[]) => ({ vr, Value });
const code = (value: string, scheme: string, meaning: string) => ({
  "00080100": one("SH", value),
  "00080102": one("SH", scheme),
  "00080104": one("LO", meaning),
});

export function metadata(exam: StoredExam, series: Series, instance: Instance): DicomObject {
  const compact = (iso: string | null) => (iso ?? "").replaceAll("-", "");
  return {
    "00080005": one("CS", "ISO_IR 192"),
    "00080008": one("CS", "ORIGINAL", "PRIMARY", "AXIAL"),
    "00080016": one("UI", instance.sop_class_uid),
    "00080018": one("UI", instance.sop_instance_uid),
    "00080020": one("DA", compact(exam.study_date)),
    "00080030": one("TM", (exam.study_time ?? "").replaceAll(":", "")),
    "00080050": one("SH", exam.accession_number),
    "00080060": one("CS", series.modality),
    "00080070": one("LO", "Synthetic Imaging"),
    "00080080": one("LO", exam.site.name),
    "00081030": one("LO", exam.description),
    "0008103E": one("LO", series.description),
    "00081032": one("SQ", code("RPID16", "RadLex", "CT CHEST W IV CONT")),
    "00100010": one("PN", { Alphabetic: exam.patient.name }),
    "00100020": one("LO", exam.patient.id),
    "00100021": one("LO", exam.patient.issuer),
    "00100030": one("DA", compact(exam.patient.birth_date)),
    "00100040": one("CS", exam.patient.sex),
    "00180015": one("CS", series.body_part),
    "00180050": one("DS", 1),
    "00180060": one("DS", 120),
    "0020000D": one("UI", exam.study_uid),
    "0020000E": one("UI", series.series_uid),
    "00200011": one("IS", series.number),
    "00200013": one("IS", instance.number),
    "00200032": one("DS", -170.5, -170.5, -312.25),
    "00200037": one("DS", 1, 0, 0, 0, 1, 0),
    "00280010": one("US", 512),
    "00280011": one("US", 512),
    "00280030": one("DS", 0.664, 0.664),
    "00281050": one("DS", 40, -600),
    "00281051": one("DS", 400, 1500),
    "00290010": one("LO", "SYNTHETIC HEADER"),
    "00291010": { vr: "OB", InlineBinary: "U1lOVEhFVElDREFUQVNZTlRIRVRJQ0RBVEE=" },
    "00400275": one("SQ", {
      "00400007": one("LO", exam.description),
      "00400008": one("SQ", code("RPID16", "RadLex", "CT CHEST W IV CONT")),
      "00401001": one("SH", "RP-1"),
    }),
    "7FE00010": { vr: "OW", BulkDataURI: "bulkdata/7FE00010" },
  };
}

/** A drawing that stands for a slice. */
export function preview(series: Series): string {
  const tall = series.modality === "MG";
  return `<svg xmlns="http://www.w3.org/2000/svg" width="128" height="128" viewBox="0 0 128 128"><rect width="128" height="128" fill="#050607"/>
<defs><radialGradient id="g"><stop offset="0" stop-color="#777"/><stop offset=".8" stop-color="#555"/><stop offset="1" stop-color="#ddd"/></radialGradient></defs>
${tall ? '<path d="M0 12c70 4 78 44 66 74-10 24-40 30-66 32z" fill="url(#g)"/>' : '<ellipse cx="64" cy="66" rx="54" ry="42" fill="url(#g)"/><ellipse cx="42" cy="62" rx="17" ry="25" fill="#141414"/><ellipse cx="86" cy="62" rx="17" ry="25" fill="#141414"/><circle cx="64" cy="92" r="8" fill="#eee"/>'}</svg>`;
}
