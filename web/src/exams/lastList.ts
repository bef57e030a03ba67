/** The list that one came from, with its filters and its page, for the way back from an exam. */
export interface ListPlace {
  search: string;
  state: unknown;
}

let place: ListPlace = { search: "", state: null };

export function rememberList(here: ListPlace): void {
  place = here;
}

export const lastList = (): ListPlace => place;
