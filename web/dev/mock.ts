/** The platform's public routes, acted by the dev server (`npm run mock`) on a made-up region. Never part of the build. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Connect, Plugin } from "vite";
import type { Account, Conflict, Exam, Permission, Series } from "../src/api/types";
import {
  accounts,
  controls,
  devices,
  instancesOf,
  makeConflicts,
  makeExam,
  makeExams,
  type StoredExam,
  sites,
} from "./data.ts";
import { metadata, preview } from "./dicom.ts";

/** As the platform serves the app: nothing but its own files, styles from the component library excepted. */
const POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:";
const PASSWORD = "archipel";
const READ: Permission[] = ["exam.read", "exam.download"];
const ROLES: Record<string, Permission[]> = {
  administrator: [
    ...READ,
    "exam.store",
    "exam.reject",
    "conflict.resolve",
    "device.manage",
    "device.read",
    "device.control",
    "site.manage",
    "account.manage",
    "system.read",
    "system.operate",
    "demo.reset",
    "audit.read",
  ],
  site_administrator: [
    ...READ,
    "exam.store",
    "exam.reject",
    "conflict.resolve",
    "device.manage",
    "device.read",
    "account.manage",
    "system.read",
    "audit.read",
  ],
  radiologist: [...READ, "exam.store", "exam.reject"],
  technician: [...READ, "exam.store", "exam.reject", "conflict.resolve"],
  requesting_doctor: READ,
  physicist: [...READ, "system.read"],
  archive_operator: [...READ, "exam.store", "exam.reject", "conflict.resolve", "system.read"],
};

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    readonly code: string,
    readonly field = "",
  ) {
    super(code);
  }
}

interface Call {
  params: string[];
  url: URL;
  body: Record<string, unknown>;
  raw: Buffer;
  response: ServerResponse;
  login: string;
}
type Answer = unknown;
type Route = [method: string, path: RegExp, act: (call: Call) => Answer];

const now = new Date();
let exams = makeExams(2000, now);
let conflicts = makeConflicts(exams);
const failures = new Map<string, number>();
const listeners = new Set<ServerResponse>();
const locales = new Map<string, string>();

const examOf = (uid: string): StoredExam => {
  const found = exams.find((exam) => exam.study_uid === uid);
  if (!found) throw new Refusal(404, "not_found", "no-study");
  return found;
};
const bare = ({ series: _, ...exam }: StoredExam): Exam => exam;
const list = <T>(items: T[]) => ({ items, total: items.length, next_cursor: null });

function session(login: string) {
  const account = accounts.find((one) => one.login === login);
  if (!account) throw new Refusal(401, "not_signed_in", "no-session");
  const { name, role, site_id, must_change_password } = account;
  const locale = locales.get(login) ?? null;
  return {
    account: { login, name, role, site_id, locale, must_change_password },
    permissions: ROLES[role] ?? [],
    second_factor_due: false,
    demo: true,
    aet: "ARCHIPEL",
  };
}

function signIn({ body, response }: Call): Answer {
  const login = String(body.login);
  const failed = failures.get(login) ?? 0;
  if (failed >= 5) {
    response.setHeader("Retry-After", "30");
    throw new Refusal(429, "limit_reached", "throttled");
  }
  if (body.password !== PASSWORD || !accounts.some((one) => one.login === login)) {
    failures.set(login, failed + 1);
    throw new Refusal(401, "not_signed_in", "wrong-credentials");
  }
  failures.delete(login);
  response.setHeader("Set-Cookie", [
    `archipel_session=${login}; Path=/; HttpOnly; SameSite=Strict`,
    "archipel_csrf=mock; Path=/; SameSite=Strict",
  ]);
  return session(login);
}

const fold = (text: string): string => text.normalize("NFD").replace(/\p{M}/gu, "").replace(/\^/g, " ").toLowerCase();

function matches(exam: StoredExam, query: URLSearchParams): boolean {
  const words = fold(query.get("search") ?? "")
    .split(/\s+/)
    .filter(Boolean);
  const text = fold(`${exam.patient.name} ${exam.patient.id} ${exam.accession_number}`);
  const date = exam.study_date ?? "";
  const modality = query.getAll("modality");
  const contains = (value: string | null, name: string) => fold(value ?? "").includes(fold(query.get(name) ?? ""));
  return (
    words.every((word) => text.includes(word)) &&
    contains(exam.patient.name, "patient_name") &&
    contains(exam.patient.id, "patient_id") &&
    contains(exam.accession_number, "accession_number") &&
    contains(exam.description, "description") &&
    (!query.get("birth_date") || exam.patient.birth_date === query.get("birth_date")) &&
    (!query.get("date_from") || date >= String(query.get("date_from"))) &&
    (!query.get("date_to") || date <= String(query.get("date_to"))) &&
    (!query.get("site_id") || exam.site.id === query.get("site_id")) &&
    (!modality.length || exam.modalities.some((one) => modality.includes(one))) &&
    (query.get("include_rejected") === "true" || !exam.rejected) &&
    (query.get("flagged") !== "true" || exam.flags.length > 0)
  );
}

function sortKey(exam: StoredExam, name: string): string {
  const keys: Record<string, string | null> = {
    patient_name: fold(exam.patient.name),
    study_date: `${exam.study_date} ${exam.study_time}`,
    birth_date: exam.patient.birth_date,
    patient_id: exam.patient.id,
    description: exam.description,
    site: exam.site.name,
    modality: exam.modalities.join(" "),
    instance_count: String(exam.instance_count).padStart(8, "0"),
  };
  return keys[name] ?? exam.received_at;
}

function listExams({ url }: Call): Answer {
  const query = url.searchParams;
  const sort = query.get("sort") ?? "-received_at";
  const found = exams.filter((exam) => matches(exam, query));
  const name = sort.replace("-", "");
  found.sort((a, b) => sortKey(a, name).localeCompare(sortKey(b, name)) * (sort.startsWith("-") ? -1 : 1));
  const from = Number(query.get("cursor") ?? 0);
  const to = from + Number(query.get("limit") ?? 50);
  return {
    items: found.slice(from, to).map(bare),
    total: found.length,
    next_cursor: to < found.length ? String(to) : null,
  };
}

function reject({ params: [uid = ""], body }: Call): Answer {
  const exam = examOf(uid);
  if (body.sop_instance_uids) return null;
  if (body.series_uid) for (const one of exam.series) one.rejected ||= one.series_uid === body.series_uid;
  else exam.rejected = true;
  return null;
}

function upload({ raw }: Call): Answer {
  const head = raw.subarray(0, 4096).toString("latin1");
  const name = Buffer.from(/filename="([^"]*)"/.exec(raw.toString("latin1"))?.[1] ?? "?", "latin1").toString();
  const bad: [RegExp, string, string | null][] = [
    [/double|already/i, "already_stored", null],
    [/autre|aside/i, "kept_aside", "other-content"],
    [/bad|truncated|\.txt$/i, "refused", "unreadable"],
  ];
  if (/offline/.test(name)) throw new Refusal(503, "unavailable", "busy");
  const rule = bad.find(([pattern]) => pattern.test(name));
  const row = {
    name,
    fate: rule?.[1] ?? "stored",
    study_uid: rule?.[1] === "refused" ? null : exams[0]?.study_uid,
    sop_instance_uid: `2.25.${head.length}`,
    reason: rule?.[2] ?? null,
  };
  return {
    items: /\.zip$/i.test(name)
      ? [
          row,
          { ...row, name: "IM0002" },
          { ...row, name: "README.txt", fate: "refused", reason: "not-dicom", study_uid: null },
        ]
      : [row],
  };
}

function readConflict({ params: [id] }: Call): Answer {
  const found = conflicts.find((one) => one.id === id);
  if (!found) throw new Refusal(404, "not_found", "no-conflict");
  return { ...found, same_pixels: found.kind === "duplicate_instance" ? true : null };
}

function resolve({ params: [id], body, login }: Call): Answer {
  const found = conflicts.find((one) => one.id === id);
  if (!found) throw new Refusal(404, "not_found", "no-conflict");
  Object.assign(found, {
    state: "resolved",
    resolution: { action: body.action, comment: body.comment, actor: login, at: new Date().toISOString() },
  });
  const exam = exams.find((one) => one.study_uid === found.study_uid);
  if (exam) exam.flags = [];
  return found;
}

const PROCESSES = [["dimse"], ["dicomweb", "web"], ["work"]].map((does, index) => ({
  id: `process-${index}`,
  host: `archive-${index + 1}`,
  pid: 1200 + index,
  does,
  started_at: new Date(now.getTime() - (187 - index) * 60_000).toISOString(),
  seen_at: now.toISOString(),
  draining: false,
  associations: index === 0 ? 2 : 0,
  waiting: index === 0 ? 4 : 0,
  resident_bytes: 140_000_000 + index * 9_000_000,
  spool_bytes: 0,
  disk_free_bytes: 912_000_000_000,
}));

/** A morning: a quiet start, a busy middle, one short stop of the followers, a few refusals. */
function lastHour() {
  return Array.from({ length: 60 }, (_, index) => {
    const busy = Math.max(0, Math.round(900 * Math.sin((index * Math.PI) / 60) + 180 * Math.sin(index * 1.7)));
    return {
      at: new Date(Math.floor(Date.now() / 60_000) * 60_000 - (59 - index) * 60_000).toISOString(),
      received: busy,
      received_bytes: busy * 524_000,
      refused: index % 23 === 7 ? 2 : 0,
      errors: index === 41 ? 3 : 0,
      waiting: Math.round(busy / 60),
      lag: index > 36 && index < 43 ? (index - 36) * 40 : index % 5,
      jobs_waiting: index > 36 ? 3 : 0,
      seal_lag_s: index > 30 ? (index - 30) * 9 : index % 4,
    };
  });
}

function system(): Answer {
  const total = (of: (exam: StoredExam) => number) => exams.reduce((sum, exam) => sum + of(exam), 0);
  const open = conflicts.filter((one) => one.state === "open").length;
  return {
    version: "0.1.0",
    started_at: new Date(now.getTime() - 187 * 60_000).toISOString(),
    database: "SQLite",
    blobs: "files",
    doors: [
      { name: "dimse", address: "0.0.0.0:11112", listening: true },
      { name: "dicomweb", address: "/dicom-web", listening: true },
      { name: "web", address: "http://127.0.0.1:8042", listening: true },
    ],
    associations: [
      {
        id: "a1",
        calling_aet: "CT_CHU_1",
        address: "10.20.1.11",
        since: new Date(Date.now() - 42_000).toISOString(),
        received_count: 318,
        sent_count: 0,
        bytes: 167_000_000,
      },
      {
        id: "a2",
        calling_aet: "MAMMO_29",
        address: "10.44.0.7",
        since: new Date(Date.now() - 7_000).toISOString(),
        received_count: 2,
        sent_count: 0,
        bytes: 54_000_000,
      },
    ],
    feed: {
      position: 184_220,
      followers: [
        { name: "archive.quiet_timer", position: 184_220, lag: 0, parked: 0 },
        { name: "archive.rejection_notes", position: 184_207, lag: 13, parked: 0 },
        { name: "distribution.route", position: 184_220, lag: 0, parked: 2 },
      ],
    },
    jobs: { waiting: 3, running: 1, failed: 1 },
    processes: PROCESSES,
    last_hour: lastHour(),
    disk: {
      data_total_bytes: 2_000_000_000_000,
      data_free_bytes: 1_130_000_000_000,
      blobs_bytes: 742_000_000_000,
      database_bytes: 9_400_000_000,
    },
    counts: {
      patients: 1873,
      studies: exams.length,
      series: total((exam) => exam.series_count),
      instances: total((exam) => exam.instance_count),
      conflicts_open: open,
    },
    verification: {
      started_at: new Date(now.getTime() - 9 * 86_400_000).toISOString(),
      ended_at: new Date(now.getTime() - 5 * 86_400_000).toISOString(),
      instance_count: 1_284_311,
      size_bytes: 611_000_000_000,
      damaged: 2,
    },
    sealing: {
      active: true,
      sealed_series: 21_408,
      open_series: 63,
      waiting_studies: 7,
      lag_s: 261,
      objects_let_go: 118,
    },
    copies: { waiting: 12, oldest_s: 5_240 },
    volume: { received_bytes: 1_702_000_000_000, stored_bytes: 742_000_000_000 },
  };
}

const parked = [
  {
    id: "p1",
    follower: "distribution.route",
    position: 183_901,
    kind: "StudySettled",
    change: { study_uid: "1.2.826.0.1.3680043.10.1234.100044" },
    error: "PACS_LITTORAL does not answer",
    parked_at: now.toISOString(),
    attempts: 3,
  },
  {
    id: "p2",
    follower: "distribution.route",
    position: 183_977,
    kind: "StudySettled",
    change: { study_uid: "1.2.826.0.1.3680043.10.1234.100051" },
    error: "PACS_LITTORAL does not answer",
    parked_at: now.toISOString(),
    attempts: 3,
  },
];
const jobs = [
  { id: "j1", name: "dimse.move", state: "running", attempts: 1, created_at: now.toISOString() },
  { id: "j2", name: "dimse.commitment", state: "waiting", attempts: 0, created_at: now.toISOString() },
  {
    id: "j3",
    name: "dimse.commitment",
    state: "failed",
    attempts: 5,
    created_at: now.toISOString(),
    error: "no-connection",
  },
];

function arrive(): Answer {
  const exam = makeExam(9000 + exams.length, new Date(), 1);
  exams.unshift(exam);
  for (const listener of listeners)
    listener.write(
      `event: exam\ndata: ${JSON.stringify({ study_uid: exam.study_uid, instance_count: exam.instance_count })}\n\n`,
    );
  return { study_uid: exam.study_uid };
}

function live({ response }: Call): Answer {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  response.write(": open\n\n");
  listeners.add(response);
  response.on("close", () => listeners.delete(response));
  return response;
}

function seriesOf(studyUid = "", seriesUid = ""): [StoredExam, Series] {
  const exam = examOf(studyUid);
  const series = exam.series.find((one) => one.series_uid === seriesUid);
  if (!series) throw new Refusal(404, "not_found", "no-series");
  return [exam, series];
}

function instanceMetadata({ params: [study, seriesUid, uid] }: Call): Answer {
  const [exam, series] = seriesOf(study, seriesUid);
  const instance = instancesOf(series).find((one) => one.sop_instance_uid === uid);
  if (!instance) throw new Refusal(404, "not_found", "no-instance");
  return [metadata(exam, series, instance)];
}

function thumbnail({ params: [study, seriesUid], response }: Call): Answer {
  response.setHeader("Content-Type", "image/svg+xml");
  response.end(preview(seriesOf(study, seriesUid)[1]));
  return response;
}

function trace(): Answer {
  const at = (minutes: number) => new Date(now.getTime() - minutes * 60_000).toISOString();
  return [
    { at: at(3), actor: "c.leroy", action: "archive.retrieve", detail: { instance_count: 787 } },
    { at: at(4), actor: "c.leroy", action: "archive.open", detail: "" },
    { at: at(58), actor: "admin", action: "archive.revoke_rejection", detail: { code: "113001" } },
    { at: at(60), actor: "m.diallo", action: "archive.reject", detail: { code: "113001", comment: "Flou cinétique" } },
    { at: at(92), actor: "CT_CHU_1", action: "archive.receive", detail: { door: "dimse", instance_count: 787 } },
  ];
}

/** Change one of a list, add one, or say that it is there already. */
function patch<T extends object>(all: T[], key: keyof T, id: string | undefined, change: object): T {
  const found = all.find((one) => one[key] === id);
  if (!found) throw new Refusal(404, "not_found", "not-found");
  return Object.assign(found, change);
}
function insert<T extends object>(all: T[], key: keyof T, row: T, code: string): T {
  if (all.some((one) => one[key] === row[key])) throw new Refusal(409, "conflict", code, String(key));
  all.push(row);
  return row;
}

const PROVIDERS = [
  { id: "psc", label_fr: "Pro Santé Connect", label_en: "Pro Santé Connect" },
  { id: "chu", label_fr: "Compte du CHU", label_en: "University hospital account" },
];
let factors = [
  { id: "f1", kind: "totp", name: "Téléphone", created_at: "2026-01-05T08:00:00Z", used_at: "2026-01-31T07:42:10Z" },
  { id: "f2", kind: "passkey", name: "Poste 12", created_at: "2026-01-06T08:00:00Z", used_at: null },
];
const RECOVERY = Array.from({ length: 10 }, (_, n) => `k${n}wq-7hxm-p3vd-a9te`);
const identities = [{ provider: "psc", subject: "899700218896" }];

const SIGN_IN_ROUTES: Route[] = [
  ["GET", /^\/session\/ways$/, () => ({ providers: PROVIDERS, passkeys: true, second_factor: [], stranger: null })],
  ["DELETE", /^\/session\/ways$/, () => undefined],
  [
    "GET",
    /^\/session\/factors$/,
    () => ({ factors, recovery_codes_left: 8, required: false, passkeys: true, fresh: true }),
  ],
  [
    "POST",
    /^\/session\/factors\/totp$/,
    () => ({
      picture: '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path fill="#fff" d="M0 0h9v9H0z"/></svg>',
      secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    }),
  ],
  [
    "POST",
    /^\/session\/factors\/(totp\/confirm|recovery-codes)$/,
    ({ body }) => {
      if (body.code === "000000") throw new Refusal(400, "invalid", "wrong-code", "code");
      return { recovery_codes: RECOVERY };
    },
  ],
  [
    "PATCH",
    /^\/session\/factors\/(\w+)$/,
    ({ params: [id], body }) => {
      factors = factors.map((one) => (one.id === id ? { ...one, name: String(body.name) } : one));
    },
  ],
  [
    "DELETE",
    /^\/session\/factors\/(\w+)$/,
    ({ params: [id] }) => {
      factors = factors.filter((one) => one.id !== id);
    },
  ],
  ["GET", /^\/accounts\/[^/]+\/identities$/, () => list(identities)],
  ["POST", /^\/accounts\/[^/]+\/identities$/, ({ body }) => void identities.push(body as (typeof identities)[number])],
  ["POST", /^\/accounts\/[^/]+\/identities\/removal$/, () => void identities.pop()],
  [
    "POST",
    /^\/accounts\/([^/]+)\/reset-second-factors$/,
    ({ params: [login = ""] }) => void patch(accounts, "login", login, { second_factor: false }),
  ],
];

const ROUTES: Route[] = [
  ["POST", /^\/session$/, signIn],
  ...SIGN_IN_ROUTES,
  ["GET", /^\/session$/, ({ login }) => session(login)],
  ["PATCH", /^\/session$/, ({ login, body }) => void locales.set(login, String(body.locale))],
  [
    "DELETE",
    /^\/session$/,
    ({ response }) => void response.setHeader("Set-Cookie", "archipel_session=; Path=/; Max-Age=0"),
  ],
  [
    "POST",
    /^\/session\/password$/,
    ({ login, body }) => {
      if (body.current !== PASSWORD) throw new Refusal(422, "invalid", "wrong-password", "current");
      patch(accounts, "login", login, { must_change_password: false });
    },
  ],
  ["GET", /^\/exams$/, listExams],
  [
    "GET",
    /^\/exams\/([^/]+)$/,
    ({ params: [uid = ""] }) => ({ ...examOf(uid), conflicts: conflicts.filter((one) => one.study_uid === uid) }),
  ],
  [
    "GET",
    /^\/exams\/([^/]+)\/series\/([^/]+)\/instances$/,
    ({ params }) => list(instancesOf(seriesOf(...(params as [string, string]))[1])),
  ],
  ["GET", /^\/exams\/([^/]+)\/trace$/, trace],
  ["POST", /^\/exams\/([^/]+)\/rejection$/, reject],
  [
    "DELETE",
    /^\/exams\/([^/]+)\/rejection$/,
    ({ params: [uid = ""] }) => {
      const exam = examOf(uid);
      exam.rejected = false;
      for (const series of exam.series) series.rejected = false;
    },
  ],
  ["POST", /^\/uploads$/, upload],
  [
    "GET",
    /^\/conflicts$/,
    ({ url }) => list(conflicts.filter((one) => one.state === (url.searchParams.get("state") ?? "open"))),
  ],
  ["GET", /^\/conflicts\/([^/]+)$/, readConflict],
  ["POST", /^\/conflicts\/([^/]+)\/resolution$/, resolve],
  ["GET", /^\/sites$/, () => list(sites)],
  ["POST", /^\/sites$/, ({ body }) => insert(sites, "id", { active: true, ...body } as never, "site-exists")],
  ["PATCH", /^\/sites\/([^/]+)$/, ({ params, body }) => patch(sites, "id", params[0], body)],
  ["GET", /^\/devices$/, () => list(devices)],
  [
    "POST",
    /^\/devices$/,
    ({ body }) =>
      insert(
        devices,
        "aet",
        { active: true, receives_work: true, stopped: [], due: [], ...body } as never,
        "device-exists",
      ),
  ],
  ["GET", /^\/devices\/([^/]+)\/controls$/, () => list(controls)],
  [
    "POST",
    /^\/devices\/([^/]+)\/controls$/,
    ({ body }) => insert(controls, "id", { id: `${controls.length}`, ...body } as never, "x"),
  ],
  ["PATCH", /^\/devices\/([^/]+)$/, ({ params, body }) => patch(devices, "aet", params[0], body)],
  [
    "DELETE",
    /^\/devices\/([^/]+)$/,
    ({ params }) =>
      void devices.splice(
        devices.findIndex((one) => one.aet === params[0]),
        1,
      ),
  ],
  [
    "POST",
    /^\/devices\/([^/]+)\/echo$/,
    ({ params }) =>
      params[0]?.startsWith("CT")
        ? { ok: true, reason: null, took_ms: 12.4 }
        : { ok: false, reason: "no-connection", took_ms: null },
  ],
  ["GET", /^\/accounts$/, () => list(accounts)],
  [
    "POST",
    /^\/accounts$/,
    ({ body }) => ({
      ...insert<Account>(
        accounts,
        "login",
        { active: true, last_sign_in_at: null, must_change_password: true, ...body } as Account,
        "account-exists",
      ),
      one_time_password: "brume-7431-galet",
    }),
  ],
  ["PATCH", /^\/accounts\/([^/]+)$/, ({ params, body }) => patch(accounts, "login", params[0], body)],
  [
    "POST",
    /^\/accounts\/([^/]+)\/reset-password$/,
    ({ params }) => {
      patch(accounts, "login", params[0], { must_change_password: true });
      return { one_time_password: "marée-2086-ajonc" };
    },
  ],
  ["GET", /^\/roles$/, () => Object.entries(ROLES).map(([role, permissions]) => ({ role, permissions }))],
  ["GET", /^\/system$/, system],
  ["GET", /^\/system\/parked$/, () => list(parked)],
  [
    "POST",
    /^\/system\/parked\/([^/]+)\/retry$/,
    ({ params }) =>
      void parked.splice(
        parked.findIndex((one) => one.id === params[0]),
        1,
      ),
  ],
  ["GET", /^\/system\/jobs$/, () => list(jobs)],
  ["GET", /^\/live$/, live],
  [
    "POST",
    /^\/demo\/reset$/,
    () => {
      exams = makeExams(2000, now);
      conflicts = makeConflicts(exams) as Conflict[];
    },
  ],
  ["POST", /^\/mock\/arrive$/, arrive],
];
const DICOM_WEB: Route[] = [
  ["GET", /^\/studies\/([^/]+)\/series\/([^/]+)\/instances\/([^/]+)\/metadata$/, instanceMetadata],
  ["GET", /^\/studies\/([^/]+)\/series\/([^/]+)\/thumbnail$/, thumbnail],
];

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function serve(
  prefix: string,
  routes: Route[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://mock");
  const raw = await readAll(request);
  const login = /archipel_session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "";
  const open =
    prefix === "/api/v1" &&
    /^\/(session|mock\/arrive|session\/(ways|second|passkey.*))$/.test(url.pathname.slice(prefix.length)) &&
    (request.method === "POST" || url.pathname.endsWith("/ways"));
  try {
    if (!open) session(login);
    if (!open && request.method !== "GET" && request.headers["x-archipel-csrf"] !== "mock")
      throw new Refusal(403, "not_allowed", "csrf");
    for (const [method, pattern, act] of routes) {
      const match = method === request.method && pattern.exec(url.pathname.slice(prefix.length));
      if (!match) continue;
      const isJson = request.headers["content-type"]?.startsWith("application/json");
      const body = isJson && raw.length ? (JSON.parse(raw.toString()) as Record<string, unknown>) : {};
      const answer = act({ params: match.slice(1).map(decodeURIComponent), url, body, raw, response, login });
      if (answer === response) return;
      response.statusCode = answer === undefined || answer === null ? 204 : 200;
      response.setHeader("Content-Type", "application/json");
      response.end(answer === undefined || answer === null ? undefined : JSON.stringify(answer));
      return;
    }
    throw new Refusal(404, "not_found", "no-route");
  } catch (error) {
    const { status, kind, code, field } = error instanceof Refusal ? error : new Refusal(500, "unknown", String(error));
    response.statusCode = status;
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ error: { kind, code, public: `Mock: ${code}.`, field, http_request_id: "mock-1" } }));
  }
}

export function mockRegion(): Plugin {
  const route =
    (prefix: string, routes: Route[]): Connect.NextHandleFunction =>
    (request, response, next) => {
      if (!request.url?.startsWith(prefix)) return next();
      void serve(prefix, routes, request, response);
    };
  const use = (middlewares: Connect.Server) => {
    middlewares.use(route("/api/v1", ROUTES));
    middlewares.use(route("/dicom-web", DICOM_WEB));
  };
  return {
    name: "mock-region",
    configureServer: (server) => use(server.middlewares),
    configurePreviewServer: (server) => {
      server.middlewares.use((_request, response, next) => {
        response.setHeader("Content-Security-Policy", POLICY);
        next();
      });
      use(server.middlewares);
    },
  };
}
