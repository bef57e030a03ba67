import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { readSystem } from "../api/calls";
import type { SystemState } from "../api/types";
import { elapsed, instant, number } from "../format/values";
import { Page } from "../ui/Page";
import { Failed, Loading } from "../ui/states";
import { Activity } from "./Activity";
import { Disk } from "./Disk";
import { Keeping } from "./Keeping";
import { Processes } from "./Processes";
import style from "./system.module.css";
import { Associations, Doors, Feed, Jobs, Parked } from "./Tables";

const REFRESH_MS = 5000;
const COUNTS = ["patients", "studies", "series", "instances", "conflicts_open"] as const;

function Figures({ counts }: { counts: SystemState["counts"] }) {
  const { t, i18n } = useTranslation();
  return (
    <dl className={style.figures} style={{ margin: 0 }}>
      {COUNTS.map((name) => (
        <div key={name} className={`panel ${style.figure}`}>
          <dt>{t(`system.counts.${name}`)}</dt>
          <dd>{number(counts[name], i18n.language)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What the platform is doing now, read again every five seconds while the page is open. */
export function SystemPage() {
  const { t, i18n } = useTranslation();
  const query = useQuery({
    queryKey: ["system", "state"],
    queryFn: ({ signal }) => readSystem(signal),
    refetchInterval: REFRESH_MS,
  });
  const now = new Date(query.dataUpdatedAt);
  const state = query.data;
  const intro =
    state && t("system.running", { version: state.version, time: elapsed(state.started_at, now, i18n.language) });
  const updated = (
    <Text size="xs" c="dimmed" className="num">
      {query.dataUpdatedAt > 0 && t("system.updated", { time: instant(now.toISOString(), i18n.language, true) })}
    </Text>
  );
  return (
    <Page title={t("system.title")} intro={intro} side={updated}>
      {query.isPending ? (
        <Loading />
      ) : !state ? (
        <Failed error={query.error} onRetry={() => void query.refetch()} />
      ) : (
        <>
          <Figures counts={state.counts} />
          <Activity minutes={state.last_hour} />
          <Keeping state={state} now={now} />
          <Disk disk={state.disk} database={state.database} blobs={state.blobs} />
          <Processes processes={state.processes} now={now} />
          <div className={style.columns}>
            <Doors doors={state.doors} />
            <Associations associations={state.associations} now={now} />
            <Feed feed={state.feed} />
            <Jobs counts={state.jobs} />
          </div>
          <Parked />
        </>
      )}
    </Page>
  );
}
