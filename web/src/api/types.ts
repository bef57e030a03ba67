/** What the platform answers under `/api/v1`. Dates are ISO, names are DICOM PN (alphabetic group). */

export type Permission =
  | "exam.read"
  | "exam.store"
  | "exam.reject"
  | "exam.download"
  | "conflict.resolve"
  | "identity.manage"
  | "device.manage"
  | "device.read"
  | "device.control"
  | "site.manage"
  | "account.manage"
  | "system.read"
  | "system.operate"
  | "demo.reset"
  | "audit.read";

export type Locale = "fr" | "en";

export interface SignedInAccount {
  login: string;
  name: string;
  role: string;
  site_id: string | null;
  locale: string | null;
  must_change_password: boolean;
}

export interface Session {
  account: SignedInAccount;
  permissions: Permission[];
  second_factor_due: boolean;
  demo: boolean;
  aet: string;
}

export interface List<T> {
  items: T[];
  total: number;
  next_cursor: string | null;
}

export interface Patient {
  name: string;
  id: string;
  issuer: string | null;
  birth_date: string | null;
  sex: string | null;
}

export interface Exam {
  study_uid: string;
  patient: Patient;
  study_date: string | null;
  study_time: string | null;
  accession_number: string | null;
  description: string | null;
  modalities: string[];
  site: { id: string; name: string };
  series_count: number;
  instance_count: number;
  received_at: string;
  settled: boolean;
  rejected: boolean;
  flags: string[];
}

export interface Series {
  series_uid: string;
  number: number | null;
  description: string | null;
  modality: string | null;
  body_part: string | null;
  instance_count: number;
  sop_classes: string[];
  size_bytes: number;
  rejected: boolean;
  thumbnail: string | null;
}

export interface ExamDetail extends Exam {
  series: Series[];
  conflicts: Conflict[];
}

export interface Instance {
  sop_instance_uid: string;
  number: number | null;
  sop_class_uid: string;
  sop_class: string;
  transfer_syntax: string;
  frame_count: number;
  size_bytes: number;
  rejected?: boolean;
}

export interface Difference {
  path: string;
  keyword: string | null;
  archived: string | null;
  received: string | null;
}

export interface Conflict {
  id: string;
  kind: string;
  state: string;
  study_uid: string | null;
  sop_instance_uid: string | null;
  found_at: string;
  site_id: string | null;
  source_ae?: string | null;
  actions: string[];
  archived: Record<string, unknown> | null;
  received: Record<string, unknown> | null;
  differences: Difference[];
  /** Known for one entry only: null when it was not compared. */
  same_pixels?: boolean | null;
  resolution?: { action: string; comment: string; actor: string; at: string } | null;
}

export interface TraceEntry {
  at: string;
  actor: string;
  actor_kind?: string;
  action: string;
  outcome?: string;
  detail: unknown;
}

/** One act of the audit trail, as its auditor sees it. */
export interface Act {
  id: string;
  at: string;
  actor_id: string;
  actor_name: string;
  actor_kind: string;
  actor_role: string;
  site_id: string | null;
  site_name: string | null;
  address: string;
  action: string;
  event_code: string;
  outcome: "success" | "refused" | "failed";
  study_uid: string | null;
  object_id: string | null;
  detail: Record<string, unknown>;
}

export interface TrailState {
  chained_count: number;
  chained_until: string | null;
  signed_day: string | null;
  waiting_count: number;
  verified_at: string | null;
  verified_until: string | null;
  finding_count: number;
  findings: { kind: string; record_id: string; seq: number; text: string }[];
  destinations: { destination: string; seq: number; at: string; error: string }[];
}

export interface UploadRow {
  name: string;
  fate: string;
  study_uid: string | null;
  sop_instance_uid: string | null;
  reason: string | null;
}

/** Which exam a document (PDF, JPEG, PNG, MP4) belongs to: an exam that is there, or a person typed in. */
export type DocumentTarget =
  | { study_uid: string }
  | { patient_id: string; patient_name: string; birth_date: string; sex: string; description: string };

export interface Site {
  id: string;
  name: string;
  kind: string;
  issuer: string | null;
  services: string[];
  second_factor_roles: string[];
  active: boolean;
  demo?: boolean;
}

export interface Device {
  aet: string;
  host: string;
  port: number;
  site_id: string;
  description: string | null;
  active: boolean;
  tls: boolean;
  receives_rejections: boolean;
  receives_from_other_sites: boolean;
  receives_work: boolean;
  stopped: { service: string; reason: string }[];
  due: { kind: Control["kind"]; on: string; overdue: boolean }[];
}

export interface NewControl {
  kind: "maintenance" | "quality_control";
  on: string;
  by: string;
  result: "conform" | "minor" | "serious";
  next_due_on: string | null;
  services: string[];
  note: string | null;
}

export interface Control extends NewControl {
  id: string;
  recorded_at: string;
  recorded_by: string;
}

export type DeviceFields = Omit<Device, "receives_work" | "stopped" | "due">;

export interface EchoResult {
  ok: boolean;
  reason: string | null;
  public?: string;
  took_ms: number | null;
}

export interface Account {
  login: string;
  name: string;
  role: string;
  site_id: string | null;
  active: boolean;
  last_sign_in_at: string | null;
  must_change_password: boolean;
  rpps: string | null;
  second_factor: boolean;
}

export interface AccountWithPassword extends Account {
  one_time_password: string;
}

export interface Role {
  role: string;
  permissions: Permission[];
}

export interface Door {
  name: string;
  address: string;
  listening: boolean;
}

export interface LiveAssociation {
  id: string;
  calling_aet: string;
  address: string;
  since: string;
  received_count: number;
  sent_count: number;
  bytes: number;
}

export interface FollowerState {
  name: string;
  position: number;
  lag: number;
  parked: number;
}

export interface SystemState {
  version: string;
  started_at: string;
  database: string;
  blobs: string;
  doors: Door[];
  associations: LiveAssociation[];
  feed: { position: number; followers: FollowerState[] };
  jobs: { waiting: number; running: number; failed: number };
  disk: {
    data_total_bytes: number;
    data_free_bytes: number;
    blobs_bytes: number;
    database_bytes: number;
  };
  counts: { patients: number; studies: number; series: number; instances: number; conflicts_open: number };
  processes: {
    id: string;
    host: string;
    pid: number;
    does: string[];
    started_at: string;
    seen_at: string;
    draining: boolean;
    associations: number;
    waiting: number;
    resident_bytes: number;
    spool_bytes: number;
    disk_free_bytes: number;
  }[];
  last_hour: {
    at: string;
    received: number;
    received_bytes: number;
    refused: number;
    errors: number;
    waiting: number;
    lag: number;
    jobs_waiting: number;
    seal_lag_s: number;
  }[];
  verification: {
    started_at: string | null;
    ended_at: string | null;
    instance_count: number;
    size_bytes: number;
    damaged: number;
  };
  sealing: {
    active: boolean;
    sealed_series: number;
    open_series: number;
    waiting_studies: number;
    lag_s: number;
    objects_let_go: number;
  };
  copies: { waiting: number; oldest_s: number } | null;
  volume: { received_bytes: number; stored_bytes: number };
}

export interface ParkedChange {
  id: string;
  follower: string;
  position?: number;
  kind?: string;
  change?: unknown;
  error?: string | null;
  parked_at?: string | null;
  attempts?: number;
}

export interface Job {
  id: string;
  name: string;
  state: string;
  attempts?: number;
  created_at?: string | null;
  run_at?: string | null;
  error?: string | null;
}

/** PS3.18 F: the keys are tags, eight hexadecimal digits. */
export interface DicomElement {
  vr: string;
  Value?: unknown[];
  BulkDataURI?: string;
  InlineBinary?: string;
}
export type DicomObject = Record<string, DicomElement>;

export interface ExamFilters {
  search?: string;
  patient_name?: string;
  patient_id?: string;
  birth_date?: string;
  accession_number?: string;
  date_from?: string;
  date_to?: string;
  modality?: string[];
  description?: string;
  site_id?: string;
  flagged?: boolean;
  include_rejected?: boolean;
}

export interface ExamQuery extends ExamFilters {
  sort?: string;
  limit?: number;
  cursor?: string;
}
