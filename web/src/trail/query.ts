/** The auditor's search lives in the address, as the exam list's does. */
export const FIELDS = ["who", "action", "exam", "patient_id", "site_id", "date_from", "date_to", "outcome"] as const;
export type Field = (typeof FIELDS)[number];
export type Wanted = Partial<Record<Field, string>>;

export function readWanted(params: URLSearchParams): Wanted {
  const wanted: Wanted = {};
  for (const field of FIELDS) {
    const value = params.get(field);
    if (value) wanted[field] = value;
  }
  return wanted;
}

export function writeWanted(wanted: Wanted): URLSearchParams {
  const params = new URLSearchParams();
  for (const field of FIELDS) {
    const value = wanted[field];
    if (value) params.set(field, value);
  }
  return params;
}

/** `archive_revoke_rejection`, a key of the words, as the platform says it: `archive.revoke_rejection`. */
export const actionOf = (key: string): string => key.replace("_", ".");
