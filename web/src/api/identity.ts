/** The routes of the identity officer's desk. Birth dates are ISO, as far as they are known. */
import { json, part, ROOT } from "./calls";
import type { List } from "./types";

export interface PersonRecord {
  key: string;
  id: string;
  issuer: string | null;
  site_id: string;
  site_name: string;
  birth_family: string | null;
  birth_first: string | null;
  birth_given_names: string[];
  used_family: string | null;
  used_given: string | null;
  birth_date: string | null;
  sex: string | null;
  birth_place_insee: string | null;
  ins: string | null;
  ins_oid: string | null;
  status: string;
  flags: string[];
  source: string;
  said_at: string;
  replaced_by: string | null;
}

export interface Person {
  id: string;
  best: PersonRecord;
  record_count: number;
}

export interface Decision {
  id: string;
  kind: string;
  automatic: boolean;
  record_key: string;
  target_key: string | null;
  actor: string;
  at: string;
  made_at: string;
  undoes: string | null;
  undone: boolean;
  comment: string;
}

export interface PersonDetail extends Person {
  records: PersonRecord[];
  decisions: Decision[];
}

export interface Proposal {
  id: string;
  state: ProposalState;
  score: number;
  reasons: string[];
  low: PersonRecord;
  high: PersonRecord;
  low_person: Person;
  high_person: Person;
  traits: { trait: string; low: string; high: string; same: boolean | null }[];
  created_at: string;
  decided_at: string | null;
  decided_by: string | null;
  decision_id: string | null;
}

export const STATES = ["open", "later", "linked", "different"] as const;
export type ProposalState = (typeof STATES)[number];
export type Verdict = "link" | "different" | "later";

const HERE = `${ROOT}/identity`;

export const listProposals = (state: ProposalState, cursor: string, signal?: AbortSignal) =>
  json<List<Proposal>>(`${HERE}/proposals?${new URLSearchParams({ state, cursor, limit: "50" })}`, { signal });
export const readProposal = (id: string, signal?: AbortSignal) =>
  json<Proposal>(`${HERE}/proposals/${part(id)}`, { signal });
export const decideProposal = (id: string, verdict: Verdict, comment: string) =>
  json<Proposal>(`${HERE}/proposals/${part(id)}/decision`, { method: "POST", body: { verdict, comment } });
export const undoDecision = (id: string, comment = "") =>
  json<Decision>(`${HERE}/decisions/${part(id)}/undoing`, { method: "POST", body: { comment } });
export const unlinkRecord = (key: string, comment = "") =>
  json<Decision>(`${HERE}/records/${part(key)}/unlinking`, { method: "POST", body: { comment } });
export const findPersons = (q: string, signal?: AbortSignal) =>
  json<List<Person>>(`${HERE}/persons?${new URLSearchParams({ q })}`, { signal });
export const readPerson = (id: string, signal?: AbortSignal) =>
  json<PersonDetail>(`${HERE}/persons/${part(id)}`, { signal });
