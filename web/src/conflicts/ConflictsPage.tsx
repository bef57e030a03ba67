import { Anchor, Group, SegmentedControl, Select, Stack, Text, Title } from "@mantine/core";
import { IconArrowsDiff, IconCircleCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { listConflicts, readConflict } from "../api/calls";
import type { Conflict } from "../api/types";
import { useSites } from "../exams/Filters";
import { FlagIcon, flagKind } from "../exams/flags";
import { personName } from "../format/person";
import { instant } from "../format/values";
import { CopyText } from "../ui/CopyText";
import { Page } from "../ui/Page";
import { Empty, Failed, Loading } from "../ui/states";
import { Comparison } from "./Comparison";
import style from "./conflicts.module.css";
import { Resolution } from "./Resolution";
import { conflictWord } from "./words";

/** The name that the archive has, else the one that came. */
function patientOf(conflict: Conflict): string {
  return personName(String(conflict.archived?.PatientName ?? conflict.received?.PatientName ?? ""));
}

interface EntryProps {
  conflict: Conflict;
  current: boolean;
  search: string;
  siteName: string;
}

function Entry({ conflict, current, search, siteName }: EntryProps) {
  const { t, i18n } = useTranslation();
  const kind = flagKind(conflict.kind);
  const flag = { code: conflict.kind, kind, tone: kind.startsWith("patient") ? "danger" : "warn" } as const;
  return (
    <li>
      <Link
        to={{ pathname: `/conflicts/${conflict.id}`, search }}
        className={style.entry}
        aria-current={current ? "true" : undefined}
      >
        <Group gap={7} wrap="nowrap">
          <FlagIcon flag={flag} />
          <b style={{ fontWeight: 600 }}>{conflictWord("kind", conflict.kind, t)}</b>
        </Group>
        <div className="clip">{patientOf(conflict) || <span className="mono">{conflict.study_uid}</span>}</div>
        <div className={`${style.soft} num clip`}>
          {instant(conflict.found_at, i18n.language)}
          {siteName && ` · ${siteName}`}
        </div>
      </Link>
    </li>
  );
}

function Detail({ conflict, siteName, onDone }: { conflict: Conflict; siteName: string; onDone: () => void }) {
  const { t, i18n } = useTranslation();
  return (
    <section className={`panel ${style.detail}`} aria-labelledby="conflict-title">
      <Stack gap="md">
        <div>
          <Group justify="space-between" align="flex-start">
            <Title order={2} id="conflict-title">
              {conflictWord("kind", conflict.kind, t)}
              {patientOf(conflict) && ` · ${patientOf(conflict)}`}
            </Title>
            {conflict.study_uid && (
              <Anchor component={Link} to={`/exams/${conflict.study_uid}`} size="sm" fw={600}>
                {t("conflicts.openExam")}
              </Anchor>
            )}
          </Group>
          <Text size="xs" c="dimmed" className="num">
            {t("conflicts.foundAt")} {instant(conflict.found_at, i18n.language)}
            {siteName && ` · ${siteName}`}
            {conflict.source_ae && ` · ${conflict.source_ae}`}
          </Text>
        </div>
        <Text size="sm" maw={760}>
          {conflictWord("explain", conflict.kind, t)}
        </Text>
        <Comparison conflict={conflict} />
        {conflict.sop_instance_uid && (
          <Group gap={8} wrap="nowrap">
            <Text size="xs" c="dimmed" style={{ flex: "none" }}>
              {t("exam.instances.uid")}
            </Text>
            <CopyText value={conflict.sop_instance_uid} label={t("exam.instances.uid")} />
          </Group>
        )}
        <Resolution key={conflict.id} conflict={conflict} onDone={onDone} />
      </Stack>
    </section>
  );
}

export function ConflictsPage() {
  const { t } = useTranslation();
  const { id } = useParams();
  const navigate = useNavigate();
  const [params, setParams] = useSearchParams();
  const state = params.get("state") === "resolved" ? "resolved" : "open";
  const kind = params.get("kind") ?? "";
  const sites = useSites();
  const query = useQuery({ queryKey: ["conflicts", state], queryFn: ({ signal }) => listConflicts(state, signal) });
  const all = query.data?.items ?? [];
  const rows = all.filter((conflict) => !kind || conflict.kind === kind);
  const kinds = [...new Set(all.map((conflict) => conflict.kind))];
  const listed = rows.find((conflict) => conflict.id === id);
  const wanted = id ?? rows[0]?.id;
  // One entry by itself knows more than the list (whether the pixels are the same), and may lie beyond the page.
  const one = useQuery({
    queryKey: ["conflicts", "one", wanted],
    queryFn: ({ signal }) => readConflict(wanted ?? "", signal),
    enabled: Boolean(wanted),
  });
  const current = one.data ?? listed ?? rows[0];
  const siteName = (conflict: Conflict) =>
    sites.find((site) => site.id === conflict.site_id)?.name ?? conflict.site_id ?? "";
  const set = (name: string, value: string | null) => {
    const next = new URLSearchParams(params);
    if (value) next.set(name, value);
    else next.delete(name);
    navigate({ pathname: "/conflicts", search: next.toString() });
    setParams(next);
  };
  const filters = (
    <>
      <Select
        w={230}
        aria-label={t("conflicts.kindFilter")}
        placeholder={t("conflicts.kindFilter")}
        clearable
        clearButtonProps={{ "aria-label": t("exams.clear") }}
        data={kinds.map((one) => ({ value: one, label: conflictWord("kind", one, t) }))}
        value={kind || null}
        onChange={(value) => set("kind", value)}
      />
      <SegmentedControl
        size="xs"
        aria-label={t("common.state")}
        value={state}
        onChange={(value) => set("state", value === "open" ? null : value)}
        data={(["open", "resolved"] as const).map((one) => ({ value: one, label: t(`conflicts.state.${one}`) }))}
      />
    </>
  );
  return (
    <Page title={t("conflicts.title")} intro={t("conflicts.intro")} side={filters}>
      {query.isPending ? (
        <Loading />
      ) : query.isError ? (
        <Failed error={query.error} onRetry={() => void query.refetch()} />
      ) : !current ? (
        <div className="panel" style={{ flex: 1 }}>
          <Empty
            icon={
              state === "open" ? <IconCircleCheck size={36} stroke={1.4} /> : <IconArrowsDiff size={36} stroke={1.4} />
            }
            title={state === "open" ? t("conflicts.emptyTitle") : t("conflicts.emptyResolved")}
            text={state === "open" ? t("conflicts.emptyText") : undefined}
          />
        </div>
      ) : (
        <div className={style.body}>
          <nav className="panel" aria-label={t("conflicts.label")} style={{ minHeight: 0, display: "flex" }}>
            <ul className={style.list} style={{ flex: 1 }}>
              {rows.map((conflict) => (
                <Entry
                  key={conflict.id}
                  conflict={conflict}
                  current={conflict.id === current.id}
                  search={params.toString()}
                  siteName={siteName(conflict)}
                />
              ))}
            </ul>
          </nav>
          <Detail
            conflict={current}
            siteName={siteName(current)}
            onDone={() => navigate({ pathname: "/conflicts", search: params.toString() })}
          />
        </div>
      )}
    </Page>
  );
}
