/** The routes of signing in beside the password: ways, second factors, identities. */
import { json, nothing, part, ROOT, rows } from "./calls";
import type { Session } from "./types";

type Json = Record<string, unknown>;

export interface SecondFactorDue {
  second_factor: string[];
}

export interface Provider {
  id: string;
  label_fr: string;
  label_en: string;
}

export interface Identity {
  provider: string;
  subject: string;
}

export interface Ways {
  providers: Provider[];
  passkeys: boolean;
  second_factor: string[];
  stranger: Identity | null;
}

export interface Factor {
  id: string;
  kind: "totp" | "passkey";
  name: string;
  created_at: string;
  used_at: string | null;
}

export interface Factors {
  factors: Factor[];
  recovery_codes_left: number;
  required: boolean;
  passkeys: boolean;
  fresh: boolean;
}

export interface Enrolment {
  picture: string;
  secret: string;
}

interface Recovery {
  recovery_codes: string[];
}

const post = (body?: unknown, quiet401 = false) => ({ method: "POST", body, quiet401 });

export const readWays = (signal?: AbortSignal) => json<Ways>(`${ROOT}/session/ways`, { signal });
export const giveUp = () => nothing(`${ROOT}/session/ways`, { method: "DELETE" });
export const signIn = (login: string, password: string) =>
  json<Session | SecondFactorDue>(`${ROOT}/session`, post({ login, password }, true));
export const giveSecondFactor = (given: { code: string } | { passkey: Json }) =>
  json<Session>(`${ROOT}/session/second`, post(given, true));
export const beginPasskey = () => json<Json>(`${ROOT}/session/passkey/options`, post());
export const signInByPasskey = (passkey: Json) => json<Session>(`${ROOT}/session/passkey`, post({ passkey }, true));
export const startAddress = (provider: string, next: string) =>
  `${ROOT}/session/start?provider=${part(provider)}&next=${part(next)}`;

export const readFactors = (signal?: AbortSignal) => json<Factors>(`${ROOT}/session/factors`, { signal });
export const beginTotp = () => json<Enrolment>(`${ROOT}/session/factors/totp`, post());
export const confirmTotp = (code: string, name: string) =>
  json<Recovery>(`${ROOT}/session/factors/totp/confirm`, post({ code, name }));
export const beginPasskeyEnrolment = () => json<Json>(`${ROOT}/session/factors/passkey`, post());
export const confirmPasskey = (passkey: Json, name: string) =>
  json<Recovery>(`${ROOT}/session/factors/passkey/confirm`, post({ passkey, name }));
export const makeRecoveryCodes = () => json<Recovery>(`${ROOT}/session/factors/recovery-codes`, post());
export const renameFactor = (id: string, name: string) =>
  nothing(`${ROOT}/session/factors/${part(id)}`, { method: "PATCH", body: { name } });
export const removeFactor = (id: string) => nothing(`${ROOT}/session/factors/${part(id)}`, { method: "DELETE" });

const account = (login: string) => `${ROOT}/accounts/${part(login)}`;
export const resetSecondFactors = (login: string) => nothing(`${account(login)}/reset-second-factors`, post());
export const listIdentities = (login: string, signal?: AbortSignal) =>
  rows<Identity>(`${account(login)}/identities`, signal);
export const linkIdentity = (login: string, identity: Identity) =>
  nothing(`${account(login)}/identities`, post(identity));
export const unlinkIdentity = (login: string, identity: Identity) =>
  nothing(`${account(login)}/identities/removal`, post(identity));
