/** The exam list lives in the address: back, reload and a copied link show the same rows. */
import type { ExamQuery } from "../api/types";
import { parseSearch } from "./search";

export const SORT_DEFAULT = "-study_date";
export const SORT_ARRIVAL = "-received_at";
const TEXTS = [
  "patient_name",
  "patient_id",
  "birth_date",
  "accession_number",
  "date_from",
  "date_to",
  "description",
  "site_id",
] as const;

export interface ListState {
  /** As typed; a birth date in it is taken out only when asking. */
  text: string;
  filters: Partial<Record<(typeof TEXTS)[number], string>>;
  modality: string[];
  flagged: boolean;
  rejected: boolean;
  sort: string;
}

export const NO_FILTERS: Omit<ListState, "sort"> = {
  text: "",
  filters: {},
  modality: [],
  flagged: false,
  rejected: false,
};

export function readState(params: URLSearchParams): ListState {
  const filters: ListState["filters"] = {};
  for (const name of TEXTS) {
    const value = params.get(name);
    if (value) filters[name] = value;
  }
  return {
    text: params.get("q") ?? "",
    filters,
    modality: params.getAll("modality"),
    flagged: params.get("flagged") === "true",
    rejected: params.get("rejected") === "true",
    sort: params.get("sort") ?? SORT_DEFAULT,
  };
}

export function writeState(state: ListState): URLSearchParams {
  const params = new URLSearchParams();
  if (state.text) params.set("q", state.text);
  for (const name of TEXTS) {
    const value = state.filters[name];
    if (value) params.set(name, value);
  }
  for (const code of state.modality) params.append("modality", code);
  if (state.flagged) params.set("flagged", "true");
  if (state.rejected) params.set("rejected", "true");
  if (state.sort !== SORT_DEFAULT) params.set("sort", state.sort);
  return params;
}

export function toQuery(state: ListState, limit: number, cursor: string | undefined): ExamQuery {
  const { search, birthDate } = parseSearch(state.text);
  return {
    ...state.filters,
    search: search || undefined,
    birth_date: state.filters.birth_date ?? birthDate ?? undefined,
    modality: state.modality.length ? state.modality : undefined,
    flagged: state.flagged || undefined,
    include_rejected: state.rejected || undefined,
    sort: state.sort,
    limit,
    cursor,
  };
}

export function isFiltered(state: ListState): boolean {
  return Boolean(
    state.text || state.flagged || state.rejected || state.modality.length || Object.keys(state.filters).length,
  );
}
