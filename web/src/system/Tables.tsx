import { ActionIcon, Tooltip } from "@mantine/core";
import { IconRefresh } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { listJobs, listParked, retryParked } from "../api/calls";
import type { Job, ParkedChange, SystemState } from "../api/types";
import { plainText } from "../format/trace";
import { elapsed, instant, number, size } from "../format/values";
import { i18next } from "../i18n";
import { useMay } from "../session/session";
import { DataTable } from "../ui/DataTable";
import { notifyDone, notifyError, reasonText } from "../ui/errors";
import { Failed, Loading } from "../ui/states";
import { Tag, type Tone } from "../ui/Tag";
import style from "./system.module.css";

function Card({ title, text, children }: { title: string; text?: string; children: ReactNode }) {
  return (
    <section className={`panel ${style.card}`}>
      <header>
        <h2>{title}</h2>
        {text && <div style={{ color: "var(--mantine-color-dimmed)", fontSize: 12.5 }}>{text}</div>}
      </header>
      {children}
    </section>
  );
}

export function Doors({ doors }: { doors: SystemState["doors"] }) {
  const { t } = useTranslation();
  return (
    <Card title={t("system.doors")}>
      <DataTable
        label={t("system.doors")}
        rows={doors}
        rowKey={(door) => door.name + door.address}
        columns={[
          { key: "name", header: t("system.door"), cell: (door) => <b style={{ fontWeight: 600 }}>{door.name}</b> },
          { key: "address", header: t("system.address"), cell: (door) => <span className="mono">{door.address}</span> },
          {
            key: "state",
            header: t("common.state"),
            cell: (door) => (
              <Tag tone={door.listening ? "ok" : "danger"}>
                {door.listening ? t("system.listening") : t("system.closed")}
              </Tag>
            ),
          },
        ]}
      />
    </Card>
  );
}

export function Associations({ associations, now }: { associations: SystemState["associations"]; now: Date }) {
  const { t, i18n } = useTranslation();
  const count = (value: number) => <span className="num">{number(value, i18n.language)}</span>;
  return (
    <Card title={t("system.associations")}>
      {associations.length === 0 ? (
        <div className={style.empty}>{t("system.noAssociations")}</div>
      ) : (
        <DataTable
          label={t("system.associations")}
          rows={associations}
          rowKey={(one) => one.id}
          columns={[
            { key: "aet", header: t("system.calling"), cell: (one) => <b className="mono">{one.calling_aet}</b> },
            { key: "address", header: t("system.address"), cell: (one) => <span className="mono">{one.address}</span> },
            {
              key: "since",
              header: t("system.since"),
              cell: (one) => <span className="num">{elapsed(one.since, now, i18n.language)}</span>,
            },
            { key: "received", header: t("system.receivedCount"), end: true, cell: (one) => count(one.received_count) },
            { key: "sent", header: t("system.sentCount"), end: true, cell: (one) => count(one.sent_count) },
            {
              key: "bytes",
              header: t("system.volume"),
              end: true,
              cell: (one) => <span className="num">{size(one.bytes, i18n.language)}</span>,
            },
          ]}
        />
      )}
    </Card>
  );
}

export function Feed({ feed }: { feed: SystemState["feed"] }) {
  const { t, i18n } = useTranslation();
  const count = (value: number) => number(value, i18n.language);
  return (
    <Card title={t("system.feed")} text={t("system.feedText", { position: count(feed.position) })}>
      <DataTable
        label={t("system.feed")}
        rows={feed.followers}
        rowKey={(follower) => follower.name}
        columns={[
          {
            key: "name",
            header: t("system.follower"),
            cell: (follower) => <span className="mono">{follower.name}</span>,
          },
          {
            key: "position",
            header: t("system.position"),
            end: true,
            cell: (follower) => <span className="num">{count(follower.position)}</span>,
          },
          {
            key: "lag",
            header: t("system.lag"),
            end: true,
            cell: (follower) =>
              follower.lag ? <Tag tone="warn">{count(follower.lag)}</Tag> : <Tag tone="ok">{t("system.lagNone")}</Tag>,
          },
          {
            key: "parked",
            header: t("system.parked"),
            end: true,
            cell: (follower) =>
              follower.parked ? <Tag tone="danger">{count(follower.parked)}</Tag> : <span className="num">0</span>,
          },
        ]}
      />
    </Card>
  );
}

/** Changes that a follower could not work on; they wait here until someone tries again. */
export function Parked() {
  const { t, i18n } = useTranslation();
  const may = useMay();
  const client = useQueryClient();
  const parked = useQuery({ queryKey: ["system", "parked"], queryFn: ({ signal }) => listParked(signal) });
  const retry = async (change: ParkedChange) => {
    try {
      const { succeeded } = await retryParked(change.id);
      notifyDone(succeeded ? t("system.retried") : t("system.parkedAgain"));
    } catch (error) {
      notifyError(error);
    }
    await client.invalidateQueries({ queryKey: ["system"] });
  };
  return (
    <Card title={t("system.parkedTitle")}>
      {parked.isPending ? (
        <Loading />
      ) : parked.isError ? (
        <Failed error={parked.error} onRetry={() => void parked.refetch()} />
      ) : parked.data.length === 0 ? (
        <div className={style.empty}>{t("system.parkedEmpty")}</div>
      ) : (
        <DataTable
          label={t("system.parkedTitle")}
          maxHeight={320}
          rows={parked.data}
          rowKey={(change) => String(change.id)}
          columns={[
            {
              key: "follower",
              header: t("system.follower"),
              cell: (change) => <span className="mono">{change.follower}</span>,
            },
            {
              key: "change",
              header: t("system.change"),
              cell: (change) => (
                <span className="mono" style={{ overflowWrap: "anywhere" }}>
                  {[change.kind, plainText(change.change)].filter(Boolean).join(" · ") || change.id}
                </span>
              ),
            },
            {
              key: "error",
              header: t("system.error"),
              cell: (change) => <span style={{ overflowWrap: "anywhere" }}>{reasonText(change.error, t)}</span>,
            },
            {
              key: "at",
              header: t("conflicts.foundAt"),
              width: 130,
              cell: (change) => <span className="num">{instant(change.parked_at, i18n.language)}</span>,
            },
            {
              key: "retry",
              header: <span className="hidden-visually">{t("common.actions")}</span>,
              width: 44,
              tight: true,
              cell: (change) =>
                may("system.operate") && (
                  <Tooltip label={t("common.retry")}>
                    <ActionIcon
                      variant="subtle"
                      size={26}
                      aria-label={t("system.retryParked", { id: change.id })}
                      onClick={() => void retry(change)}
                    >
                      <IconRefresh size={16} />
                    </ActionIcon>
                  </Tooltip>
                ),
            },
          ]}
        />
      )}
    </Card>
  );
}

const JOB_TONES: Record<string, Tone> = { waiting: "quiet", running: "info", failed: "danger", done: "ok" };

export function Jobs({ counts }: { counts: SystemState["jobs"] }) {
  const { t, i18n } = useTranslation();
  const jobs = useQuery({ queryKey: ["system", "jobs"], queryFn: ({ signal }) => listJobs(signal) });
  const word = (state: string) =>
    i18next.exists(`system.jobState.${state}`) ? t(`system.jobState.${state}` as never) : state;
  const summary = (["waiting", "running", "failed"] as const)
    .map((state) => `${word(state)} ${number(counts[state], i18n.language)}`)
    .join(" · ");
  const columns = [
    { key: "name", header: t("system.job"), cell: (job: Job) => <span className="mono">{job.name}</span> },
    {
      key: "state",
      header: t("common.state"),
      cell: (job: Job) => <Tag tone={JOB_TONES[job.state]}>{word(job.state)}</Tag>,
    },
    {
      key: "attempts",
      header: t("system.attempts"),
      end: true,
      cell: (job: Job) => <span className="num">{job.attempts}</span>,
    },
    {
      key: "created",
      header: t("system.created"),
      cell: (job: Job) => <span className="num">{instant(job.created_at, i18n.language)}</span>,
    },
    {
      key: "error",
      header: t("system.error"),
      cell: (job: Job) => <span style={{ overflowWrap: "anywhere" }}>{reasonText(job.error, t)}</span>,
    },
  ];
  return (
    <Card title={t("system.jobs")} text={summary}>
      {jobs.isPending ? (
        <Loading />
      ) : jobs.isError ? (
        <Failed error={jobs.error} onRetry={() => void jobs.refetch()} />
      ) : jobs.data.length === 0 ? (
        <div className={style.empty}>{t("system.jobsEmpty")}</div>
      ) : (
        <DataTable
          label={t("system.jobs")}
          maxHeight={320}
          rows={jobs.data}
          rowKey={(job) => String(job.id)}
          columns={columns}
        />
      )}
    </Card>
  );
}
