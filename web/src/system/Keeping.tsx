import { Alert } from "@mantine/core";
import { Fragment, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { SystemState } from "../api/types";
import { duration, elapsed, instant, number, percent, size } from "../format/values";
import { Tag } from "../ui/Tag";
import { clock } from "./Activity";
import { Bars } from "./Bars";
import style from "./system.module.css";

/** Past this, sealing or copying is behind and not merely at work. */
const LATE_S = 3600;

interface Row {
  name: string;
  value: ReactNode;
}

function Kept(props: { title: string; figure: ReactNode; rows: Row[]; children?: ReactNode }) {
  return (
    <section className={style.kept}>
      <h3>{props.title}</h3>
      <p>{props.figure}</p>
      {props.children}
      <dl>
        {props.rows.map((row) => (
          <Fragment key={row.name}>
            <dt>{row.name}</dt>
            <dd>{row.value}</dd>
          </Fragment>
        ))}
      </dl>
    </section>
  );
}

/** How what was received is kept: verified, sealed, copied, and in how much room. */
export function Keeping({ state, now }: { state: SystemState; now: Date }) {
  const { t } = useTranslation();
  const { damaged } = state.verification;
  return (
    <section className={`panel ${style.card}`}>
      <header>
        <h2>{t("system.keeping")}</h2>
      </header>
      {damaged > 0 && (
        <Alert color="red" variant="light" mx={14} mb="sm" p="xs" title={t("system.damagedTitle", { count: damaged })}>
          {t("system.damagedText")}
        </Alert>
      )}
      <div className={style.keeping}>
        <Verification verification={state.verification} now={now} />
        <Sealing sealing={state.sealing} minutes={state.last_hour} />
        <Copies copies={state.copies} sealing={state.sealing} />
        <Volume volume={state.volume} processes={state.processes} />
      </div>
    </section>
  );
}

function Verification({ verification, now }: { verification: SystemState["verification"]; now: Date }) {
  const { t, i18n } = useTranslation();
  const { started_at, ended_at, instance_count, size_bytes, damaged } = verification;
  const figure = !started_at
    ? t("system.verifiedNever")
    : ended_at
      ? t("system.verifiedAgo", { time: elapsed(ended_at, now, i18n.language) })
      : t("system.verifyRunning");
  const rows: Row[] = [
    { name: t("system.verifyRead"), value: number(instance_count, i18n.language) },
    { name: t("system.volume"), value: size(size_bytes, i18n.language) },
    {
      name: t("system.damaged"),
      value: <Tag tone={damaged ? "danger" : "ok"}>{damaged ? number(damaged, i18n.language) : t("common.none")}</Tag>,
    },
  ];
  if (started_at && !ended_at)
    rows.unshift({ name: t("system.verifyBegun"), value: instant(started_at, i18n.language) });
  return <Kept title={t("system.verification")} figure={figure} rows={rows} />;
}

function Sealing({ sealing, minutes }: { sealing: SystemState["sealing"]; minutes: SystemState["last_hour"] }) {
  const { t, i18n } = useTranslation();
  const values = minutes.map((minute) => minute.seal_lag_s);
  const text = (seconds: number) => duration(seconds, i18n.language);
  const most = t("system.atMost", { value: text(Math.max(0, ...values)) });
  const late = sealing.lag_s >= LATE_S;
  const figure = !sealing.active
    ? t("system.sealOff")
    : sealing.waiting_studies
      ? t("system.behindBy", { time: text(sealing.lag_s) })
      : t("system.upToDate");
  return (
    <Kept
      title={t("system.sealing")}
      figure={
        <>
          {figure} {late && <Tag tone="warn">{t("system.late")}</Tag>}
        </>
      }
      rows={[
        { name: t("system.sealedSeries"), value: number(sealing.sealed_series, i18n.language) },
        { name: t("system.openSeries"), value: number(sealing.open_series, i18n.language) },
        { name: t("system.studiesToSeal"), value: number(sealing.waiting_studies, i18n.language) },
      ]}
    >
      {sealing.active && (
        <>
          <Bars
            values={values}
            colour="var(--app-violet)"
            label={`${t("system.sealLagHour")} : ${most}`}
            hint={(index) => `${clock(minutes[index]?.at, i18n.language)} · ${text(values[index] ?? 0)}`}
          />
          <div className={style.axis} aria-hidden style={{ marginBottom: 6 }}>
            <span>{clock(minutes[0]?.at, i18n.language)}</span>
            <span>{most}</span>
            <span>{clock(minutes.at(-1)?.at, i18n.language)}</span>
          </div>
        </>
      )}
    </Kept>
  );
}

function Copies({ copies, sealing }: { copies: SystemState["copies"]; sealing: SystemState["sealing"] }) {
  const { t, i18n } = useTranslation();
  const figure = !copies
    ? t("system.copiesNone")
    : copies.waiting
      ? t("system.behindBy", { time: duration(copies.oldest_s, i18n.language) })
      : t("system.upToDate");
  const late = copies !== null && copies.oldest_s >= LATE_S;
  const rows: Row[] = copies ? [{ name: t("system.copiesWaiting"), value: number(copies.waiting, i18n.language) }] : [];
  return (
    <Kept
      title={t("system.copies")}
      figure={
        <>
          {figure} {late && <Tag tone="warn">{t("system.late")}</Tag>}
        </>
      }
      rows={[...rows, { name: t("system.letGo"), value: number(sealing.objects_let_go, i18n.language) }]}
    />
  );
}

function Volume({ volume, processes }: { volume: SystemState["volume"]; processes: SystemState["processes"] }) {
  const { t, i18n } = useTranslation();
  const { received_bytes, stored_bytes } = volume;
  const known = received_bytes > 0 && stored_bytes >= 0;
  const spool = processes.reduce((sum, one) => sum + one.spool_bytes, 0);
  return (
    <Kept
      title={t("system.room")}
      figure={known ? t("system.keptAt", { share: percent(stored_bytes / received_bytes, i18n.language) }) : "…"}
      rows={[
        { name: t("system.asReceived"), value: size(received_bytes, i18n.language) },
        { name: t("system.asStored"), value: size(stored_bytes, i18n.language) },
        { name: t("system.spool"), value: size(spool, i18n.language) },
      ]}
    />
  );
}
