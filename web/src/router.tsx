import { Button, Center, Stack, Text, Title } from "@mantine/core";
import { lazy } from "react";
import { useTranslation } from "react-i18next";
import { createBrowserRouter, Navigate, useRouteError } from "react-router";
import { ExamListPage } from "./exams/ExamListPage";
import { FactorsPage } from "./session/FactorsPage";
import { Allowed, RequireSession } from "./session/guard";
import { PasswordPage } from "./session/PasswordPage";
import { SignInPage } from "./session/SignInPage";
import { useMay } from "./session/session";
import { Shell } from "./shell/Shell";
import { technicalDetails } from "./ui/errors";
import { NotThere } from "./ui/states";

const ExamPage = lazy(() => import("./exam/ExamPage").then((m) => ({ default: m.ExamPage })));
const UploadPage = lazy(() => import("./upload/UploadPage").then((m) => ({ default: m.UploadPage })));
const ConflictsPage = lazy(() => import("./conflicts/ConflictsPage").then((m) => ({ default: m.ConflictsPage })));
const ProposalsPage = lazy(() => import("./identity/ProposalsPage").then((m) => ({ default: m.ProposalsPage })));
const PersonsPage = lazy(() => import("./identity/PersonsPage").then((m) => ({ default: m.PersonsPage })));
const DevicesPage = lazy(() => import("./admin/DevicesPage").then((m) => ({ default: m.DevicesPage })));
const SitesPage = lazy(() => import("./admin/SitesPage").then((m) => ({ default: m.SitesPage })));
const AccountsPage = lazy(() => import("./admin/AccountsPage").then((m) => ({ default: m.AccountsPage })));
const GuidePage = lazy(() => import("./guide/GuidePage").then((m) => ({ default: m.GuidePage })));
const TrailPage = lazy(() => import("./trail/TrailPage").then((m) => ({ default: m.TrailPage })));
const SystemPage = lazy(() => import("./system/SystemPage").then((m) => ({ default: m.SystemPage })));

/** A fault of the app itself, or an old page whose parts were replaced by a new version. */
function Crashed() {
  const { t } = useTranslation();
  return (
    <Center h="100dvh" role="alert">
      <Stack align="center" gap="sm" maw={480} ta="center">
        <Title order={1}>{t("states.crashed")}</Title>
        <Text c="dimmed">{t("states.crashedText")}</Text>
        <Button onClick={() => window.location.reload()}>{t("states.reload")}</Button>
        <Text size="xs" c="dimmed" className="mono">
          {technicalDetails(useRouteError())}
        </Text>
      </Stack>
    </Center>
  );
}

/** Where the work of this account begins. */
function Home() {
  const may = useMay();
  const home = may("exam.read")
    ? "/exams"
    : may("identity.manage")
      ? "/identity/proposals"
      : may("audit.read")
        ? "/audit"
        : may("device.read")
          ? "/admin/devices"
          : "/exams";
  return <Navigate to={home} replace />;
}

const allowed = (to: Parameters<typeof Allowed>[0]["to"], page: React.ReactNode) => <Allowed to={to}>{page}</Allowed>;

export const router = createBrowserRouter([
  {
    errorElement: <Crashed />,
    children: [
      { path: "/sign-in", element: <SignInPage /> },
      {
        element: <RequireSession />,
        children: [
          { path: "/password", element: <PasswordPage /> },
          { path: "/second-factors", element: <FactorsPage /> },
          {
            element: <Shell />,
            children: [
              { path: "/", element: <Home /> },
              { path: "/exams", element: allowed("exam.read", <ExamListPage />) },
              { path: "/exams/:studyUid", element: allowed("exam.read", <ExamPage />) },
              { path: "/upload", element: allowed("exam.store", <UploadPage />) },
              { path: "/conflicts/:id?", element: allowed("conflict.resolve", <ConflictsPage />) },
              { path: "/identity", element: <Navigate to="/identity/proposals" replace /> },
              { path: "/identity/proposals/:id?", element: allowed("identity.manage", <ProposalsPage />) },
              { path: "/identity/persons/:id?", element: allowed("identity.manage", <PersonsPage />) },
              { path: "/admin/devices", element: allowed("device.read", <DevicesPage />) },
              { path: "/admin/sites", element: allowed("site.manage", <SitesPage />) },
              { path: "/admin/accounts", element: allowed("account.manage", <AccountsPage />) },
              { path: "/audit", element: allowed("audit.read", <TrailPage />) },
              { path: "/system", element: allowed("system.read", <SystemPage />) },
              { path: "/guide/:page?", element: <GuidePage /> },
              { path: "*", element: <NotThere /> },
            ],
          },
        ],
      },
    ],
  },
]);
