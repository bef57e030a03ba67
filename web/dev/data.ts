/** A made-up region for developing without the platform. Nobody in it exists. */
import type { Account, Conflict, Control, Device, Exam, Instance, Series, Site } from "../src/api/types";

/** The same region at every start (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed;
  return () => {
    a += 0x6d2b79f5;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const random = seeded(20260131);
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
const between = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
const two = (value: number): string => String(value).padStart(2, "0");

const FAMILIES =
  "DUPONT MARTIN BERNARD PETIT ROBERT DURAND LEROY MOREAU SIMON GARCIA LEFÈVRE ROUX FOURNIER GIRARD BONNET LAMBERT FONTAINE ROUSSEAU MÜLLER FAURE MERCIER BLANC GUÉRIN BOYER GARNIER CHEVALIER FRANÇOIS LEGRAND GAUTHIER PERRIN MORIN NGUYEN BENALI DA^SILVA LE^GOFF KOWALSKI".split(
    " ",
  );
const WOMEN =
  "Jeanne Claire Anne Hélène Inès Léa Camille Zoé Françoise Nathalie Mélanie Aïcha Solène Marie-Pierre".split(" ");
const MEN = "Luc Paul Marc Noé Hugo Étienne François Loïc Karim Jean-Baptiste Maël René Théo Olivier".split(" ");

export const sites: Site[] = [
  {
    id: "chu",
    name: "CHU Val-de-Mer",
    kind: "hospital",
    issuer: "1.2.250.1.999.1",
    services: ["archive", "teleradiology", "dose"],
    second_factor_roles: [],
    active: true,
  },
  {
    id: "ch-nord",
    name: "CH Nord",
    kind: "hospital",
    issuer: "1.2.250.1.999.2",
    services: ["archive", "dose"],
    second_factor_roles: [],
    active: true,
  },
  {
    id: "ch-littoral",
    name: "CH Littoral",
    kind: "hospital",
    issuer: "1.2.250.1.999.3",
    services: ["archive"],
    second_factor_roles: [],
    active: true,
  },
  {
    id: "cabinet-parc",
    name: "Cabinet du Parc",
    kind: "practice",
    issuer: "",
    services: ["archive"],
    second_factor_roles: [],
    active: true,
  },
  {
    id: "depistage-29",
    name: "Dépistage 29",
    kind: "screening_centre",
    issuer: "1.2.250.1.999.5",
    services: ["archive", "screening"],
    second_factor_roles: [],
    active: true,
  },
];

interface Protocol {
  modalities: string[];
  description: string;
  body: string;
  series: [description: string, count: number][];
}
const PROTOCOLS: Protocol[] = [
  {
    modalities: ["CT", "SR"],
    description: "TDM thorax avec injection",
    body: "CHEST",
    series: [
      ["Scout", 2],
      ["Thorax 1.0 parenchyme", 342],
      ["Thorax 1.0 médiastin", 342],
      ["Coronal MPR", 96],
      ["Dose report", 1],
    ],
  },
  {
    modalities: ["CT"],
    description: "TDM cérébrale sans injection",
    body: "HEAD",
    series: [
      ["Scout", 1],
      ["Cerveau 0.6", 210],
      ["Os 0.6", 210],
    ],
  },
  {
    modalities: ["CT", "SR"],
    description: "TDM abdomino-pelvienne",
    body: "ABDOMEN",
    series: [
      ["Scout", 2],
      ["Portal 1.0", 512],
      ["Dose report", 1],
    ],
  },
  {
    modalities: ["MR"],
    description: "IRM genou droit",
    body: "KNEE",
    series: [
      ["DP FS sag", 32],
      ["T1 cor", 28],
      ["DP FS ax", 36],
    ],
  },
  {
    modalities: ["MR"],
    description: "IRM encéphale",
    body: "BRAIN",
    series: [
      ["3D T1", 192],
      ["FLAIR", 160],
      ["DWI", 66],
      ["SWI", 80],
    ],
  },
  {
    modalities: ["MG"],
    description: "Mammographie de dépistage",
    body: "BREAST",
    series: [
      ["R CC", 1],
      ["L CC", 1],
      ["R MLO", 1],
      ["L MLO", 1],
    ],
  },
  {
    modalities: ["DX"],
    description: "Radiographie du thorax",
    body: "CHEST",
    series: [
      ["Thorax face", 1],
      ["Thorax profil", 1],
    ],
  },
  {
    modalities: ["CR"],
    description: "Radiographie de la cheville gauche",
    body: "ANKLE",
    series: [
      ["Face", 1],
      ["Profil", 1],
    ],
  },
  { modalities: ["US"], description: "Échographie abdominale", body: "ABDOMEN", series: [["Abdomen", 34]] },
  { modalities: ["US"], description: "Écho-Doppler des troncs supra-aortiques", body: "NECK", series: [["TSA", 41]] },
  {
    modalities: ["PT", "CT"],
    description: "TEP-TDM au FDG",
    body: "WHOLEBODY",
    series: [
      ["CT AC", 299],
      ["PET WB", 299],
      ["MIP", 36],
    ],
  },
  { modalities: ["NM"], description: "Scintigraphie osseuse", body: "WHOLEBODY", series: [["WB ant post", 2]] },
  {
    modalities: ["XA"],
    description: "Coronarographie",
    body: "HEART",
    series: [
      ["LCA", 6],
      ["RCA", 4],
    ],
  },
];

const CLASSES: Record<string, [uid: string, name: string]> = {
  CT: ["1.2.840.10008.5.1.4.1.1.2", "CT Image Storage"],
  MR: ["1.2.840.10008.5.1.4.1.1.4", "MR Image Storage"],
  MG: ["1.2.840.10008.5.1.4.1.1.1.2", "Digital Mammography X-Ray Image Storage"],
  DX: ["1.2.840.10008.5.1.4.1.1.1.1", "Digital X-Ray Image Storage"],
  CR: ["1.2.840.10008.5.1.4.1.1.1", "Computed Radiography Image Storage"],
  US: ["1.2.840.10008.5.1.4.1.1.6.1", "Ultrasound Image Storage"],
  PT: ["1.2.840.10008.5.1.4.1.1.128", "Positron Emission Tomography Image Storage"],
  NM: ["1.2.840.10008.5.1.4.1.1.20", "Nuclear Medicine Image Storage"],
  XA: ["1.2.840.10008.5.1.4.1.1.12.1", "X-Ray Angiographic Image Storage"],
  SR: ["1.2.840.10008.5.1.4.1.1.88.67", "X-Ray Radiation Dose SR Storage"],
};

const isoDay = (date: Date): string => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

function birthDay(): string {
  const year = random() < 0.04 ? between(2025, 2026) : between(1932, 2019);
  return `${year}-${two(between(1, 9))}-${two(between(1, 28))}`;
}

export interface StoredExam extends Exam {
  series: Series[];
}

function seriesOf(studyUid: string, protocol: Protocol): Series[] {
  return protocol.series.map(([description, count], index) => {
    const modality = /dose/i.test(description)
      ? "SR"
      : /PET|MIP/.test(description)
        ? "PT"
        : (protocol.modalities.at(protocol.modalities.includes("PT") ? 1 : 0) as string);
    const uid = `${studyUid}.${index + 1}`;
    return {
      series_uid: uid,
      number: index + 1,
      description,
      modality,
      body_part: modality === "SR" ? null : protocol.body,
      instance_count: count,
      sop_classes: [(CLASSES[modality] ?? CLASSES.CT)?.[0] ?? ""],
      size_bytes: count * (modality === "MG" ? 27_000_000 : modality === "SR" ? 40_000 : 527_000),
      rejected: false,
      thumbnail: modality === "SR" ? null : `/dicom-web/studies/${studyUid}/series/${uid}/thumbnail`,
    };
  });
}

export function makeExam(index: number, now: Date, minutesAgo: number): StoredExam {
  const protocol = pick(PROTOCOLS);
  const sex = protocol.modalities[0] === "MG" ? "F" : random() < 0.52 ? "F" : "M";
  const site = protocol.modalities[0] === "MG" && random() < 0.7 ? (sites[4] as Site) : pick(sites);
  const at = new Date(now.getTime() - minutesAgo * 60_000);
  const studyUid = `1.2.826.0.1.3680043.10.1234.${100000 + index}`;
  const series = seriesOf(studyUid, protocol);
  const flags = random() < 0.025 ? [pick(["patient_attributes", "patient_mismatch", "other_site"])] : [];
  return {
    study_uid: studyUid,
    patient: {
      name: `${pick(FAMILIES).replace("^", " ")}^${pick(sex === "F" ? WOMEN : MEN)}`,
      id: String(8000000 + between(0, 99999)),
      issuer: site.id.toUpperCase(),
      birth_date: random() < 0.01 ? null : birthDay(),
      sex,
    },
    study_date: isoDay(at),
    study_time: `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`,
    accession_number: `A26${String(index).padStart(6, "0")}`,
    description: protocol.description,
    modalities: protocol.modalities,
    site: { id: site.id, name: site.name },
    series_count: series.length,
    instance_count: series.reduce((sum, one) => sum + one.instance_count, 0),
    received_at: new Date(at.getTime() + 6 * 60_000).toISOString(),
    settled: minutesAgo > 4,
    rejected: random() < 0.008,
    flags,
    series,
  };
}

export function makeExams(count: number, now: Date): StoredExam[] {
  let minutes = 7;
  return Array.from({ length: count }, (_, index) => {
    minutes += between(1, 22);
    return makeExam(index, now, index === 0 ? 2 : minutes);
  });
}

export function instancesOf(series: Series): Instance[] {
  const [uid, name] = CLASSES[series.modality ?? "CT"] ?? ["", "Secondary Capture Image Storage"];
  return Array.from({ length: series.instance_count }, (_, index) => ({
    sop_instance_uid: `${series.series_uid}.${index + 1}`,
    number: index + 1,
    sop_class_uid: uid,
    sop_class: name,
    transfer_syntax: index % 7 === 6 ? "1.2.840.10008.1.2.4.90" : "1.2.840.10008.1.2.1",
    frame_count: series.modality === "SR" ? 0 : series.modality === "XA" ? 64 : 1,
    size_bytes: Math.round(series.size_bytes / series.instance_count),
  }));
}

export const controls: Control[] = [
  {
    id: "c1",
    kind: "quality_control",
    on: "2026-02-01",
    by: "Qualimed",
    result: "serious",
    next_due_on: null,
    services: ["screening"],
    note: "Artefact in the detector",
    recorded_at: "2026-02-01T10:00:00Z",
    recorded_by: "engineer",
  },
  {
    id: "c0",
    kind: "maintenance",
    on: "2025-11-03",
    by: "Maker",
    result: "conform",
    next_due_on: "2026-11-03",
    services: [],
    note: null,
    recorded_at: "2025-11-03T10:00:00Z",
    recorded_by: "engineer",
  },
];

export const devices: Device[] = [
  {
    aet: "CT_CHU_1",
    host: "10.20.1.11",
    port: 104,
    site_id: "chu",
    description: "Scanner urgences",
    active: true,
    tls: true,
    receives_rejections: false,
    receives_from_other_sites: false,
    receives_work: true,
    stopped: [],
    due: [{ kind: "quality_control", on: "2026-01-05", overdue: true }],
  },
  {
    aet: "CT_CHU_2",
    host: "10.20.1.12",
    port: 104,
    site_id: "chu",
    description: "Scanner programmé",
    active: true,
    tls: true,
    receives_rejections: false,
    receives_from_other_sites: false,
    receives_work: false,
    stopped: [{ service: "screening", reason: "Serious non-conformity on 2026-02-01: artefact in the detector" }],
    due: [],
  },
  {
    aet: "MR_NORD",
    host: "10.31.0.20",
    port: 11112,
    site_id: "ch-nord",
    description: "IRM 1,5 T",
    active: true,
    tls: false,
    receives_rejections: false,
    receives_from_other_sites: false,
    receives_work: true,
    stopped: [],
    due: [],
  },
  {
    aet: "MAMMO_29",
    host: "mammo.depistage29.example",
    port: 104,
    site_id: "depistage-29",
    description: "Mammographe",
    active: true,
    tls: true,
    receives_rejections: false,
    receives_from_other_sites: false,
    receives_work: true,
    stopped: [],
    due: [],
  },
  {
    aet: "ECHO_PARC",
    host: "192.168.4.30",
    port: 4006,
    site_id: "cabinet-parc",
    description: "Échographe cabinet",
    active: false,
    tls: false,
    receives_rejections: false,
    receives_from_other_sites: false,
    receives_work: true,
    stopped: [],
    due: [],
  },
  {
    aet: "PACS_LITTORAL",
    host: "pacs.ch-littoral.example",
    port: 11112,
    site_id: "ch-littoral",
    description: "PACS du site",
    active: true,
    tls: true,
    receives_rejections: false,
    receives_from_other_sites: false,
    receives_work: true,
    stopped: [],
    due: [],
  },
];

const account = (login: string, name: string, role: string, site_id: string | null, seen: string | null): Account => ({
  login,
  name,
  role,
  site_id,
  active: login !== "p.ancien",
  last_sign_in_at: seen,
  must_change_password: seen === null,
  rpps: role === "radiologist" ? "10100534436" : null,
  second_factor: role === "radiologist",
});
export const accounts: Account[] = [
  account("admin", "Nadia Perrot", "administrator", "chu", "2026-01-31T07:42:10Z"),
  account("c.leroy", "Camille Leroy", "radiologist", "chu", "2026-01-31T06:58:02Z"),
  account("m.diallo", "Mamadou Diallo", "technician", "ch-nord", "2026-01-30T17:12:44Z"),
  account("s.kerbrat", "Soizic Kerbrat", "physicist", "chu", "2026-01-28T09:00:00Z"),
  account("j.roussel", "Julie Roussel", "requesting_doctor", "cabinet-parc", null),
  account("p.ancien", "Pierre Ancien", "site_administrator", "ch-littoral", "2025-06-12T12:00:00Z"),
];

export function makeConflicts(exams: StoredExam[]): Conflict[] {
  const flagged = exams.filter((exam) => exam.flags.length > 0).slice(0, 8);
  const list = flagged.map((exam, index): Conflict => {
    const kind = exam.flags[0] as string;
    const archived = patientAttributes(exam);
    const received = { ...archived };
    if (kind === "patient_attributes")
      received.PatientBirthDate = archived.PatientBirthDate.replace(/(\d{4})(\d{2})(\d{2})/, "$1$3$2");
    if (kind === "patient_attributes") received.PatientName = archived.PatientName.replace(/.\^/, "X^");
    if (kind === "patient_mismatch") Object.assign(received, { PatientID: "8000042", PatientName: "DURAND^Hélène" });
    return conflict(`c${index + 1}`, kind, exam, archived, received);
  });
  const twin = exams[12] as StoredExam;
  const base = {
    ...patientAttributes(twin),
    StudyDate: "20260130",
    InstanceNumber: "17",
    SeriesDescription: "Thorax 1.0",
  };
  list.splice(
    1,
    0,
    conflict("c90", "duplicate_instance", twin, base, { ...base, SeriesDescription: "Thorax 1.0 corrigé" }),
  );
  return list;
}

function patientAttributes(exam: StoredExam) {
  return {
    PatientName: exam.patient.name,
    PatientID: exam.patient.id,
    IssuerOfPatientID: exam.patient.issuer ?? "",
    PatientBirthDate: (exam.patient.birth_date ?? "").replaceAll("-", ""),
    PatientSex: exam.patient.sex ?? "",
    AccessionNumber: exam.accession_number ?? "",
  };
}

const ACTIONS: Record<string, string[]> = {
  duplicate_instance: ["keep_archived", "use_received"],
  patient_attributes: ["confirm_same_patient"],
  patient_mismatch: ["confirm_same_patient"],
  other_site: ["accept"],
};

function conflict(
  id: string,
  kind: string,
  exam: StoredExam,
  archived: Record<string, string>,
  received: Record<string, string>,
): Conflict {
  return {
    id,
    kind,
    state: "open",
    study_uid: exam.study_uid,
    sop_instance_uid: `${exam.series[0]?.series_uid}.1`,
    found_at: exam.received_at,
    site_id: exam.site.id,
    actions: ACTIONS[kind] ?? [],
    archived,
    received,
    differences: Object.keys(archived)
      .filter((keyword) => archived[keyword] !== received[keyword])
      .map((keyword) => ({
        path: keyword,
        keyword,
        archived: archived[keyword] ?? "",
        received: received[keyword] ?? "",
      })),
  };
}
