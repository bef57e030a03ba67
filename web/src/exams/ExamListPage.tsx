import { Button, Text, Title } from "@mantine/core";
import { useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { IconArrowUp, IconMoodEmpty, IconStack2 } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation, useNavigate, useSearchParams } from "react-router";
import { listExams, viewerAddress } from "../api/calls";
import type { Exam } from "../api/types";
import { number } from "../format/values";
import { useMay } from "../session/session";
import { DataTable } from "../ui/DataTable";
import { usePageTitle } from "../ui/Page";
import { Pager } from "../ui/Pager";
import { Empty, Failed, Loading } from "../ui/states";
import { examColumnsFor, type Room } from "./columns";
import style from "./exams.module.css";
import { Filters } from "./Filters";
import { rememberList } from "./lastList";
import { useLive } from "./live";
import { isFiltered, type ListState, NO_FILTERS, readState, SORT_ARRIVAL, toQuery, writeState } from "./query";

/** Where the page starts, kept with the entry of the browser's history. */
interface PageState {
  cursors: string[];
}

function usePaging() {
  const location = useLocation();
  const navigate = useNavigate();
  useEffect(() => rememberList({ search: location.search, state: location.state }), [location]);
  const cursors = (location.state as Partial<PageState> | null)?.cursors ?? [];
  const go = (next: string[]) => navigate({ search: location.search }, { state: { cursors: next } });
  return { cursors, cursor: cursors.at(-1), go };
}

function NothingHere({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  const { t } = useTranslation();
  const may = useMay();
  if (filtered)
    return (
      <Empty
        icon={<IconMoodEmpty size={36} stroke={1.4} />}
        title={t("exams.noMatchTitle")}
        text={t("exams.noMatchText")}
        action={
          <Button mt={6} variant="default" onClick={onClear}>
            {t("exams.clearAll")}
          </Button>
        }
      />
    );
  return (
    <Empty
      icon={<IconStack2 size={36} stroke={1.4} />}
      title={t("exams.emptyTitle")}
      text={t("exams.emptyText")}
      action={
        may("exam.store") && (
          <Button mt={6} component={Link} to="/upload">
            {t("exams.emptyAdd")}
          </Button>
        )
      }
    />
  );
}

function LiveState({ open }: { open: boolean }) {
  const { t } = useTranslation();
  return (
    <span className={style.live} role="status">
      <span className={style.dot} data-off={open ? undefined : true} aria-hidden />
      {open ? t("exams.live") : t("exams.liveOff")}
    </span>
  );
}

function useRoom(): Room {
  const normal = useMediaQuery("(min-width: 1200px)", true, { getInitialValueInEffect: false });
  const wide = useMediaQuery("(min-width: 1600px)", false, { getInitialValueInEffect: false });
  return wide ? "wide" : normal ? "normal" : "narrow";
}

function useExamList() {
  const [params, setParams] = useSearchParams();
  const [limit, setLimit] = useLocalStorage({ key: "archipel.rows", defaultValue: 50, getInitialValueInEffect: false });
  const state = useMemo(() => readState(params), [params]);
  const { cursors, cursor, go } = usePaging();
  const query = toQuery(state, limit, cursor);
  const list = useQuery({
    queryKey: ["exams", query],
    queryFn: ({ signal }) => listExams(query, signal),
    placeholderData: keepPreviousData,
  });
  const change = (part: Partial<ListState>) => setParams(writeState({ ...state, ...part }));
  const clear = () => setParams(writeState({ ...NO_FILTERS, sort: state.sort }));
  return { state, query, list, change, clear, cursors, go, limit, setLimit };
}

export function ExamListPage() {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const room = useRoom();
  const { state, query, list, change, clear, cursors, go, limit, setLimit } = useExamList();
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  usePageTitle(t("exams.title"));
  const rows = list.data?.items ?? [];
  const shown = useMemo(() => new Set(list.data?.items.map((exam) => exam.study_uid)), [list.data]);
  const live = useLive(query, shown);
  const columns = useMemo(() => examColumnsFor(t, i18n.language, room), [t, i18n.language, room]);
  const total = list.data?.total ?? 0;

  const showArrived = () => {
    setFresh(new Set(live.arrived));
    live.forget();
    // Sorted by arrival they are on top, whatever the date of the exam.
    if (cursors.length || state.sort !== SORT_ARRIVAL) change({ sort: SORT_ARRIVAL });
    void list.refetch();
  };
  const open = (exam: Exam, newTab: boolean) => {
    const to = `/exams/${exam.study_uid}`;
    if (newTab) window.open(to, "_blank", "noopener");
    else navigate(to);
  };
  const next = list.data?.next_cursor;
  return (
    <div className="page">
      <div className="page-head">
        <Title order={1}>{t("exams.title")}</Title>
        <Text c="dimmed" size="sm" className="num" role="status">
          {list.data && t("exams.count", { count: total, formatted: number(total, i18n.language) })}
        </Text>
        <span aria-live="polite">
          {live.arrived.length > 0 && (
            <Button
              size="compact-sm"
              radius="xl"
              leftSection={<IconArrowUp size={14} aria-hidden />}
              onClick={showArrived}
            >
              {t("exams.arrived", { count: live.arrived.length })}
            </Button>
          )}
        </span>
        <span style={{ flex: 1 }} />
        <LiveState open={live.open} />
      </div>
      <Filters state={state} onChange={change} onClear={clear} />
      <div className={`panel ${style.box}`}>
        {list.isPending ? (
          <Loading />
        ) : list.isError ? (
          <Failed error={list.error} onRetry={() => void list.refetch()} />
        ) : rows.length === 0 ? (
          <NothingHere filtered={isFiltered(state)} onClear={clear} />
        ) : (
          <>
            <DataTable
              className={style.table}
              fixed
              minWidth={880}
              label={t("exams.tableLabel")}
              columns={columns}
              rows={rows.map((exam) => ({
                ...exam,
                instance_count: live.counts.get(exam.study_uid) ?? exam.instance_count,
              }))}
              rowKey={(exam) => exam.study_uid}
              onOpen={open}
              onRowKey={(exam, event) => {
                if (event.key === "v") window.open(viewerAddress(exam.study_uid), "_blank", "noopener");
              }}
              look={(exam) => ({ isNew: fresh.has(exam.study_uid), muted: exam.rejected })}
              sort={state.sort}
              onSort={(sort) => change({ sort })}
              fading={list.isPlaceholderData}
            />
            <div className={style.foot}>
              <span />
              <Pager
                from={cursors.length * limit + 1}
                shown={rows.length}
                total={total}
                onFirst={cursors.length ? () => go([]) : undefined}
                onPrevious={cursors.length ? () => go(cursors.slice(0, -1)) : undefined}
                onNext={next ? () => go([...cursors, next]) : undefined}
                pageSize={limit}
                onPageSize={(size) => {
                  setLimit(size);
                  go([]);
                }}
              />
            </div>
          </>
        )}
      </div>
    </div>
  );
}
