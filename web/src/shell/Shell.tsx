import { Tooltip } from "@mantine/core";
import { useLocalStorage, useMediaQuery } from "@mantine/hooks";
import {
  IconActivityHeartbeat,
  IconArrowsDiff,
  IconBuildingHospital,
  IconChevronsLeft,
  IconChevronsRight,
  IconCloudUpload,
  IconDeviceDesktopAnalytics,
  IconListSearch,
  IconSchool,
  IconStack2,
  IconUsers,
  IconUsersGroup,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, NavLink, Outlet, useNavigate } from "react-router";
import { listConflicts, resetDemo } from "../api/calls";
import type { Permission } from "../api/types";
import { useMay, useSession } from "../session/session";
import { Confirm } from "../ui/Confirm";
import { notifyDone } from "../ui/errors";
import { Loading } from "../ui/states";
import { useUploads } from "../upload/uploads";
import { AccountMenu } from "./AccountMenu";
import { Help } from "./Help";
import { Logo } from "./Logo";
import style from "./shell.module.css";
import { useShortcuts } from "./shortcuts";

interface Entry {
  to: string;
  name: "exams" | "upload" | "conflicts" | "identity" | "devices" | "sites" | "accounts" | "audit" | "system";
  icon: ReactNode;
  permission: Permission;
}

const ICON = { size: 19, stroke: 1.7, "aria-hidden": true } as const;
const WORK: Entry[] = [
  { to: "/exams", name: "exams", icon: <IconStack2 {...ICON} />, permission: "exam.read" },
  { to: "/upload", name: "upload", icon: <IconCloudUpload {...ICON} />, permission: "exam.store" },
  { to: "/conflicts", name: "conflicts", icon: <IconArrowsDiff {...ICON} />, permission: "conflict.resolve" },
  {
    to: "/identity",
    name: "identity",
    icon: <IconUsersGroup {...ICON} />,
    permission: "identity.manage",
  },
];
const ADMINISTRATION: Entry[] = [
  {
    to: "/admin/devices",
    name: "devices",
    icon: <IconDeviceDesktopAnalytics {...ICON} />,
    permission: "device.read",
  },
  { to: "/admin/sites", name: "sites", icon: <IconBuildingHospital {...ICON} />, permission: "site.manage" },
  { to: "/admin/accounts", name: "accounts", icon: <IconUsers {...ICON} />, permission: "account.manage" },
  { to: "/audit", name: "audit", icon: <IconListSearch {...ICON} />, permission: "audit.read" },
  { to: "/system", name: "system", icon: <IconActivityHeartbeat {...ICON} />, permission: "system.read" },
];

function DemoBanner() {
  const { t } = useTranslation();
  const may = useMay();
  const [asking, setAsking] = useState(false);
  const act = async () => {
    await resetDemo();
    notifyDone(t("app.demoResetDone"));
  };
  return (
    <aside className={style.banner} aria-label={t("app.demoBanner")}>
      <IconSchool size={17} aria-hidden />
      {t("app.demoBanner")}
      {may("demo.reset") && (
        <button type="button" onClick={() => setAsking(true)}>
          {t("app.demoReset")}
        </button>
      )}
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={t("app.demoResetTitle")}
        text={t("app.demoResetText")}
        confirm={t("app.demoReset")}
        danger
        act={act}
      />
    </aside>
  );
}

interface NavItemProps {
  entry: Entry;
  narrow: boolean;
  count?: number;
  countLabel?: string;
  tone?: "info";
}

function NavItem({ entry, narrow, count, countLabel, tone }: NavItemProps) {
  const { t } = useTranslation();
  const name = t(`nav.${entry.name}`);
  return (
    <Tooltip label={name} position="right" disabled={!narrow} openDelay={0}>
      <NavLink to={entry.to} className={style.link}>
        {entry.icon}
        <span className={narrow ? "hidden-visually" : "clip"}>{name}</span>
        {countLabel && <span className="hidden-visually">, {countLabel}</span>}
        {count ? (
          <span className={style.count} data-tone={tone} aria-hidden>
            {count > 999 ? "999+" : count}
          </span>
        ) : null}
      </NavLink>
    </Tooltip>
  );
}

function Navigation({ narrow, onToggle, onHelp }: { narrow: boolean; onToggle: () => void; onHelp: () => void }) {
  const { t } = useTranslation();
  const may = useMay();
  const { left } = useUploads();
  const { data: conflicts } = useQuery({
    queryKey: ["conflicts", "open"],
    queryFn: ({ signal }) => listConflicts("open", signal),
    enabled: may("conflict.resolve"),
    refetchInterval: 60_000,
  });
  const open = conflicts?.total ?? 0;
  const administration = ADMINISTRATION.filter((entry) => may(entry.permission));
  const toggle = narrow ? t("nav.expand") : t("nav.collapse");
  return (
    <nav className={style.nav} data-narrow={narrow || undefined} aria-label={t("nav.label")}>
      <Link to="/" className={style.brand} aria-label={t("app.name")}>
        <Logo />
        {!narrow && t("app.name")}
      </Link>
      {WORK.filter((entry) => may(entry.permission)).map((entry) => (
        <NavItem
          key={entry.to}
          entry={entry}
          narrow={narrow}
          count={{ conflicts: open, upload: left }[entry.name as string]}
          countLabel={
            entry.name === "upload" && left
              ? t("nav.uploading", { count: left })
              : entry.name === "conflicts" && open
                ? t("conflicts.count", { count: open, formatted: open })
                : undefined
          }
          tone={entry.name === "upload" ? "info" : undefined}
        />
      ))}
      {administration.length > 0 && <div className={style.section}>{!narrow && t("nav.administration")}</div>}
      {administration.map((entry) => (
        <NavItem key={entry.to} entry={entry} narrow={narrow} />
      ))}
      <div className={style.spacer} />
      <Tooltip label={toggle} position="right" disabled={!narrow} openDelay={0}>
        <button type="button" className={style.link} onClick={onToggle} aria-label={toggle} aria-expanded={!narrow}>
          {narrow ? <IconChevronsRight {...ICON} /> : <IconChevronsLeft {...ICON} />}
          {!narrow && <span className="clip">{t("nav.collapse")}</span>}
        </button>
      </Tooltip>
      <AccountMenu narrow={narrow} onHelp={onHelp} />
    </nav>
  );
}

export function Shell() {
  const { t } = useTranslation();
  const { demo } = useSession();
  const navigate = useNavigate();
  const wide = useMediaQuery("(min-width: 1200px)", true, { getInitialValueInEffect: false });
  const [chosen, setChosen] = useLocalStorage<"wide" | "narrow" | "">({
    key: "archipel.nav",
    defaultValue: "",
    getInitialValueInEffect: false,
  });
  const [help, setHelp] = useState(false);
  const narrow = chosen ? chosen === "narrow" : !wide;
  const search = () => {
    const box = document.querySelector<HTMLInputElement>("[data-search]");
    if (box) {
      box.focus();
      box.select();
    } else navigate("/exams", { state: { search: true } });
  };
  useShortcuts({
    "?": () => setHelp(true),
    "/": search,
    "g e": () => navigate("/exams"),
    "g u": () => navigate("/upload"),
    "g c": () => navigate("/conflicts"),
  });
  return (
    <div className={style.shell}>
      <a className={style.skip} href="#content">
        {t("app.skip")}
      </a>
      {demo ? <DemoBanner /> : <span style={{ gridColumn: "1 / -1" }} />}
      <Navigation narrow={narrow} onToggle={() => setChosen(narrow ? "wide" : "narrow")} onHelp={() => setHelp(true)} />
      <main id="content" className={style.main} tabIndex={-1}>
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </main>
      <Help opened={help} onClose={() => setHelp(false)} />
    </div>
  );
}
