import { ActionIcon, Button, Group } from "@mantine/core";
import {
  IconChevronLeft,
  IconChevronLeftPipe,
  IconChevronRight,
  IconDownload,
  IconListSearch,
} from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation, useNavigate, useSearchParams } from "react-router";
import { roleName } from "../admin/AccountsPage";
import { searchTrail, trailAddress } from "../api/calls";
import type { Act } from "../api/types";
import style from "../exams/exams.module.css";
import { actionName, traceDetail } from "../format/trace";
import { instant } from "../format/values";
import { useMay } from "../session/session";
import { type Column, DataTable } from "../ui/DataTable";
import { Page } from "../ui/Page";
import { Empty, Failed, Loading } from "../ui/states";
import { Tag } from "../ui/Tag";
import { ChainBanner } from "./ChainBanner";
import { readWanted, type Wanted, writeWanted } from "./query";
import { TrailFilters } from "./TrailFilters";

const TONES = { success: "ok", refused: "warn", failed: "danger" } as const;

function useColumns(): Column<Act>[] {
  const { t, i18n } = useTranslation();
  const may = useMay();
  return [
    {
      key: "at",
      header: t("exam.trace.when"),
      width: 140,
      cell: (act) => <span className="num">{instant(act.at, i18n.language, true)}</span>,
    },
    {
      key: "who",
      header: t("trail.who"),
      width: "17%",
      cell: (act) => (
        <>
          <b className={style.line} title={act.actor_name || act.actor_id}>
            {act.actor_name || act.actor_id}
          </b>
          <span className={`${style.soft} ${style.line}`}>
            {[
              act.actor_kind === "account" ? roleName(act.actor_role, t) : t(`trail.kinds.${act.actor_kind}` as never),
              act.site_name ?? act.site_id,
            ]
              .filter(Boolean)
              .join(" · ")}
          </span>
        </>
      ),
    },
    { key: "what", header: t("trail.action"), width: "15%", cell: (act) => actionName(act.action, t) },
    {
      key: "exam",
      header: t("trail.on"),
      width: "17%",
      cell: (act) => {
        const shown = act.study_uid ?? act.object_id ?? "";
        return act.study_uid && may("exam.read") ? (
          <Link to={`/exams/${act.study_uid}`} className={`mono ${style.line}`} title={shown}>
            {shown}
          </Link>
        ) : (
          <span className={`mono ${style.line}`} title={shown}>
            {shown}
          </span>
        );
      },
    },
    {
      key: "detail",
      header: t("exam.trace.detail"),
      cell: (act) => <span className={style.soft}>{traceDetail(act.detail, t)}</span>,
    },
    {
      key: "from",
      header: t("trail.from"),
      width: 100,
      cell: (act) => <span className={`mono ${style.line}`}>{act.address}</span>,
    },
    {
      key: "outcome",
      header: t("trail.outcome"),
      width: 84,
      cell: (act) => <Tag tone={TONES[act.outcome]}>{t(`trail.outcomes.${act.outcome}`)}</Tag>,
    },
  ];
}

function Turner({ cursors, next, go }: { cursors: string[]; next: string | null; go: (cursors: string[]) => void }) {
  const { t } = useTranslation();
  const back = cursors.length > 0;
  return (
    <ActionIcon.Group>
      <ActionIcon
        variant="default"
        size={28}
        aria-label={t("common.firstPage")}
        disabled={!back}
        onClick={() => go([])}
      >
        <IconChevronLeftPipe size={16} />
      </ActionIcon>
      <ActionIcon
        variant="default"
        size={28}
        aria-label={t("common.previousPage")}
        disabled={!back}
        onClick={() => go(cursors.slice(0, -1))}
      >
        <IconChevronLeft size={16} />
      </ActionIcon>
      <ActionIcon
        variant="default"
        size={28}
        aria-label={t("common.nextPage")}
        disabled={!next}
        onClick={() => next && go([...cursors, next])}
      >
        <IconChevronRight size={16} />
      </ActionIcon>
    </ActionIcon.Group>
  );
}

/** The auditor's desk: who did what to which exam, and whether the trail itself is whole. */
export function TrailPage() {
  const { t } = useTranslation();
  const location = useLocation();
  const navigate = useNavigate();
  const [params, setParams] = useSearchParams();
  const wanted = useMemo(() => readWanted(params), [params]);
  const cursors = (location.state as { cursors?: string[] } | null)?.cursors ?? [];
  const columns = useColumns();
  const list = useQuery({
    queryKey: ["trail", wanted, cursors.at(-1)],
    queryFn: ({ signal }) => searchTrail(wanted, cursors.at(-1), signal),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
  const change = (next: Wanted) => setParams(writeWanted(next));
  const rows = list.data?.items ?? [];
  const exportButton = (
    <Button
      component="a"
      href={trailAddress(wanted)}
      download
      variant="default"
      leftSection={<IconDownload size={16} aria-hidden />}
    >
      {t("trail.export")}
    </Button>
  );
  return (
    <Page title={t("trail.title")} intro={t("trail.intro")} side={rows.length > 0 && exportButton}>
      <ChainBanner />
      <TrailFilters wanted={wanted} onChange={change} />
      <div className={`panel ${style.box}`}>
        {list.isPending ? (
          <Loading />
        ) : list.isError ? (
          <Failed error={list.error} onRetry={() => void list.refetch()} />
        ) : rows.length === 0 ? (
          <Empty
            icon={<IconListSearch size={36} stroke={1.4} />}
            title={t("trail.emptyTitle")}
            text={t("trail.emptyText")}
          />
        ) : (
          <>
            <DataTable
              className={style.table}
              fixed
              minWidth={900}
              label={t("trail.title")}
              columns={columns}
              rows={rows}
              rowKey={(act) => act.id}
              fading={list.isPlaceholderData}
            />
            <Group className={style.foot} justify="flex-end">
              <Turner
                cursors={cursors}
                next={list.data.next_cursor}
                go={(next) => navigate({ search: location.search }, { state: { cursors: next } })}
              />
            </Group>
          </>
        )}
      </div>
    </Page>
  );
}
