/** One typed function per route of `/api/v1`. Every failure is an `ApiError`. */
import type {
  Account,
  AccountWithPassword,
  Act,
  Conflict,
  Control,
  Device,
  DeviceFields,
  DicomObject,
  EchoResult,
  Exam,
  ExamDetail,
  ExamQuery,
  Instance,
  Job,
  List,
  Locale,
  NewControl,
  ParkedChange,
  Role,
  Session,
  Site,
  SystemState,
  TraceEntry,
  TrailState,
} from "./types";

export const ROOT = "/api/v1";
const CONFLICTS_MAX = 200;

export class ApiError extends Error {
  constructor(
    readonly kind: string,
    readonly code: string,
    readonly status: number,
    readonly publicMessage = "",
    readonly field = "",
    readonly requestId = "",
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(`${kind}/${code}`);
  }
}

/** The value of the `archipel_csrf` cookie, sent back as a header with every change. */
export function csrfToken(cookies: string = document.cookie): string {
  const match = cookies.split("; ").find((cookie) => cookie.startsWith("archipel_csrf="));
  return match ? decodeURIComponent(match.slice("archipel_csrf=".length)) : "";
}

const KIND_OF_STATUS: Record<number, string> = {
  400: "invalid",
  401: "not_signed_in",
  403: "not_allowed",
  404: "not_found",
  409: "conflict",
  413: "limit_reached",
  422: "invalid",
  429: "limit_reached",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
};

/** Read the platform's error shape; whatever else answered (a proxy, a crash) still becomes an `ApiError`. */
export function errorFrom(status: number, body: string, retryAfter: string | null): ApiError {
  let said: Record<string, string | null> = {};
  try {
    said = (JSON.parse(body) as { error?: Record<string, string> }).error ?? {};
  } catch {
    // Not JSON: the status alone has to do.
  }
  const seconds = retryAfter === null ? Number.NaN : Number(retryAfter);
  return new ApiError(
    said.kind ?? KIND_OF_STATUS[status] ?? "unknown",
    said.code ?? `http-${status}`,
    status,
    said.public ?? "",
    said.field ?? "",
    said.http_request_id ?? "",
    Number.isFinite(seconds) ? seconds : null,
  );
}

let onSignedOut: () => void = () => undefined;

/** What to do when the platform says that nobody is signed in. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

export function signedOut(): void {
  onSignedOut();
}

interface Options {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
  accept?: string;
  quiet401?: boolean;
}

async function call(path: string, { method = "GET", body, signal, accept, quiet401 }: Options = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: accept ?? "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-Archipel-CSRF"] = csrfToken();
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      credentials: "same-origin",
    });
  } catch (reason) {
    if (signal?.aborted) throw reason;
    throw new ApiError("unavailable", "no-answer", 0);
  }
  if (!answer.ok) {
    const failure = errorFrom(answer.status, await answer.text(), answer.headers.get("Retry-After"));
    if (answer.status === 401 && !quiet401) onSignedOut();
    throw failure;
  }
  return answer;
}

export async function json<T>(path: string, options?: Options): Promise<T> {
  return (await (await call(path, options)).json()) as T;
}

export async function nothing(path: string, options: Options): Promise<void> {
  await call(path, options);
}

export const part = encodeURIComponent;

/** Some routes answer a bare list, some a page: both become the rows. */
export async function rows<T>(path: string, signal?: AbortSignal): Promise<T[]> {
  const answer = await json<T[] | List<T>>(path, { signal });
  return Array.isArray(answer) ? answer : answer.items;
}

export function queryString(query: ExamQuery): string {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(query) as [string, unknown][]) {
    if (value === undefined || value === "" || value === false) continue;
    for (const one of Array.isArray(value) ? value : [value]) fields.append(name, String(one));
  }
  const text = fields.toString();
  return text ? `?${text}` : "";
}

// Session
export const readSession = () => json<Session>(`${ROOT}/session`, { quiet401: true });
export const signOut = () => nothing(`${ROOT}/session`, { method: "DELETE", quiet401: true });
export const changePassword = (current: string, next: string) =>
  nothing(`${ROOT}/session/password`, { method: "POST", body: { current, new: next }, quiet401: true });
export const saveLocale = (locale: Locale) => nothing(`${ROOT}/session`, { method: "PATCH", body: { locale } });

// Exams
export const listExams = (query: ExamQuery, signal?: AbortSignal) =>
  json<List<Exam>>(`${ROOT}/exams${queryString(query)}`, { signal });
export const readExam = (studyUid: string, signal?: AbortSignal) =>
  json<ExamDetail>(`${ROOT}/exams/${part(studyUid)}`, { signal });
export const listInstances = (studyUid: string, seriesUid: string, signal?: AbortSignal) =>
  rows<Instance>(`${ROOT}/exams/${part(studyUid)}/series/${part(seriesUid)}/instances`, signal);
export const readTrace = (studyUid: string, signal?: AbortSignal) =>
  rows<TraceEntry>(`${ROOT}/exams/${part(studyUid)}/trace`, signal);
const trailFields = (wanted: Record<string, string | undefined>) =>
  new URLSearchParams(Object.entries(wanted).filter((one): one is [string, string] => Boolean(one[1]))).toString();
export const searchTrail = (wanted: Record<string, string | undefined>, cursor?: string, signal?: AbortSignal) =>
  json<{ items: Act[]; next_cursor: string | null }>(`${ROOT}/audit?${trailFields({ ...wanted, cursor })}`, { signal });
export const trailAddress = (wanted: Record<string, string | undefined>) =>
  `${ROOT}/audit/records.csv?${trailFields(wanted)}`;
export const readTrailState = (signal?: AbortSignal) => json<TrailState>(`${ROOT}/audit/state`, { signal });
export const archiveAddress = (studyUid: string) => `${ROOT}/exams/${part(studyUid)}/archive.zip`;
export const viewerAddress = (studyUid: string) =>
  `/api/v1/exams/${part(studyUid)}/viewer?locale=${document.documentElement.lang === "en" ? "en" : "fr"}`;

export interface Rejection {
  code: string;
  comment: string;
  series_uid?: string;
  sop_instance_uids?: string[];
}
export const rejectExam = (studyUid: string, rejection: Rejection) =>
  nothing(`${ROOT}/exams/${part(studyUid)}/rejection`, { method: "POST", body: rejection });
export const undoRejection = (studyUid: string) =>
  nothing(`${ROOT}/exams/${part(studyUid)}/rejection`, { method: "DELETE" });

export async function readMetadata(study: string, series: string, instance: string, signal?: AbortSignal) {
  const path = `/dicom-web/studies/${part(study)}/series/${part(series)}/instances/${part(instance)}/metadata`;
  const answer = await json<DicomObject[]>(path, { signal, accept: "application/dicom+json" });
  return answer[0] ?? {};
}

// Conflicts
export const listConflicts = (state: string, signal?: AbortSignal) =>
  json<List<Conflict>>(`${ROOT}/conflicts?state=${part(state)}&limit=${CONFLICTS_MAX}`, { signal });
export const readConflict = (id: string, signal?: AbortSignal) =>
  json<Conflict>(`${ROOT}/conflicts/${part(id)}`, { signal });
export const resolveConflict = (id: string, action: string, comment: string) =>
  nothing(`${ROOT}/conflicts/${part(id)}/resolution`, { method: "POST", body: { action, comment } });

// Directory
export const listSites = (signal?: AbortSignal) => rows<Site>(`${ROOT}/sites`, signal);
export const addSite = (site: Omit<Site, "active">) => json<Site>(`${ROOT}/sites`, { method: "POST", body: site });
export const changeSite = (id: string, change: Partial<Omit<Site, "id">>) =>
  nothing(`${ROOT}/sites/${part(id)}`, { method: "PATCH", body: change });
export const listDevices = (signal?: AbortSignal) => rows<Device>(`${ROOT}/devices`, signal);
export const addDevice = (device: Omit<DeviceFields, "active">) =>
  json<Device>(`${ROOT}/devices`, { method: "POST", body: device });
export const changeDevice = (aet: string, change: Partial<Omit<DeviceFields, "aet">>) =>
  nothing(`${ROOT}/devices/${part(aet)}`, { method: "PATCH", body: change });
export const removeDevice = (aet: string) => nothing(`${ROOT}/devices/${part(aet)}`, { method: "DELETE" });
export const listControls = (aet: string, signal?: AbortSignal) =>
  rows<Control>(`${ROOT}/devices/${part(aet)}/controls`, signal);
export const addControl = (aet: string, control: NewControl) =>
  json<Control>(`${ROOT}/devices/${part(aet)}/controls`, { method: "POST", body: control });
export const echoDevice = (aet: string) => json<EchoResult>(`${ROOT}/devices/${part(aet)}/echo`, { method: "POST" });
export const listAccounts = (signal?: AbortSignal) => rows<Account>(`${ROOT}/accounts`, signal);
export const addAccount = (account: Pick<Account, "login" | "name" | "role" | "site_id">) =>
  json<AccountWithPassword>(`${ROOT}/accounts`, { method: "POST", body: account });
export const changeAccount = (login: string, change: Partial<Omit<Account, "login">>) =>
  nothing(`${ROOT}/accounts/${part(login)}`, { method: "PATCH", body: change });
export const resetPassword = (login: string) =>
  json<{ one_time_password: string }>(`${ROOT}/accounts/${part(login)}/reset-password`, { method: "POST" });
export const listRoles = (signal?: AbortSignal) => rows<Role>(`${ROOT}/roles`, signal);

// System
export const readSystem = (signal?: AbortSignal) => json<SystemState>(`${ROOT}/system`, { signal });
export const listParked = (signal?: AbortSignal) => rows<ParkedChange>(`${ROOT}/system/parked`, signal);
export const retryParked = (id: string) =>
  json<{ succeeded: boolean }>(`${ROOT}/system/parked/${part(id)}/retry`, { method: "POST" });
export const listJobs = (signal?: AbortSignal) => rows<Job>(`${ROOT}/system/jobs`, signal);
export const resetDemo = () => nothing(`${ROOT}/demo/reset`, { method: "POST" });
