/** Who is signed in, from the one query that every guard reads. */
import { QueryClient, useQuery } from "@tanstack/react-query";
import { ApiError, readSession, whenSignedOut } from "../api/calls";
import type { Permission, Session } from "../api/types";
import { isLocale, setLocale } from "../i18n";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: false,
      retry: (failures, error) => failures < 2 && error instanceof ApiError && error.kind === "unavailable",
    },
  },
});

const SESSION = ["session"];

whenSignedOut(() => queryClient.setQueryData(SESSION, null));

/** The session, or null when nobody is signed in. */
async function sessionOrNull(): Promise<Session | null> {
  try {
    const session = await readSession();
    if (isLocale(session.account.locale)) setLocale(session.account.locale);
    return session;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

export function useSessionQuery() {
  return useQuery({ queryKey: SESSION, queryFn: sessionOrNull, staleTime: 5 * 60_000 });
}

/** Inside the signed-in part of the app there is always a session. */
export function useSession(): Session {
  const { data } = useSessionQuery();
  if (!data) throw new Error("no session");
  return data;
}

export function useMay(): (permission: Permission) => boolean {
  const { permissions } = useSession();
  return (permission) => permissions.includes(permission);
}

/** A new person: nothing that the former one saw may stay in memory. */
export function begin(session: Session): void {
  queryClient.clear();
  queryClient.setQueryData(SESSION, session);
}

export function end(): void {
  queryClient.clear();
  queryClient.setQueryData(SESSION, null);
}

export function passwordChanged(): void {
  queryClient.setQueryData<Session | null>(SESSION, (session) =>
    session ? { ...session, account: { ...session.account, must_change_password: false } } : session,
  );
  void queryClient.invalidateQueries({ queryKey: SESSION });
}

/** A second factor is there now, where one was due. */
export function enrolled(): void {
  queryClient.setQueryData<Session | null>(SESSION, (session) => session && { ...session, second_factor_due: false });
}
