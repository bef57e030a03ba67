import type { ReactNode } from "react";
import { Navigate, Outlet, useLocation } from "react-router";
import type { Permission } from "../api/types";
import { Failed, Loading, NoRights } from "../ui/states";
import { useMay, useSessionQuery } from "./session";

/** Signed in, with a password of one's own; else to the page that gives that, and back here afterwards. */
export function RequireSession() {
  const { data, error, isPending, refetch } = useSessionQuery();
  const { pathname, search } = useLocation();
  const next = encodeURIComponent(pathname + search);
  if (isPending) return <Loading />;
  if (error) return <Failed error={error} onRetry={() => void refetch()} />;
  if (!data) return <Navigate to={pathname === "/" ? "/sign-in" : `/sign-in?next=${next}`} replace />;
  if (data.account.must_change_password && pathname !== "/password")
    return <Navigate to={`/password?next=${next}`} replace />;
  if (data.second_factor_due && !data.account.must_change_password && pathname !== "/second-factors")
    return <Navigate to={`/second-factors?next=${next}`} replace />;
  return <Outlet />;
}

export function Allowed({ to, children }: { to: Permission; children: ReactNode }) {
  const may = useMay();
  return may(to) ? children : <NoRights permission={to} />;
}
