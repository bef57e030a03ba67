import { Alert } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { SystemState } from "../api/types";
import { elapsed, number, size } from "../format/values";
import { DataTable } from "../ui/DataTable";
import { Tag } from "../ui/Tag";
import style from "./system.module.css";

/** The processes that run together, each with what it does and what it holds. */
export function Processes({ processes, now }: { processes: SystemState["processes"]; now: Date }) {
  const { t, i18n } = useTranslation();
  const figure = (value: string) => <span className="num">{value}</span>;
  const idle = processes.length > 0 && !processes.some((one) => one.does.includes("work") && !one.draining);
  return (
    <section className={`panel ${style.card}`}>
      <header>
        <h2>{t("system.processes")}</h2>
      </header>
      {idle && (
        <Alert color="orange" variant="light" mx="sm" mb="sm" p="xs">
          {t("system.noWork")}
        </Alert>
      )}
      {processes.length === 0 ? (
        <div className={style.empty}>{t("system.noProcesses")}</div>
      ) : (
        <DataTable
          label={t("system.processes")}
          rows={processes}
          rowKey={(one) => one.id}
          columns={[
            {
              key: "does",
              header: t("system.does"),
              cell: (one) => <b style={{ fontWeight: 600 }}>{one.does.map((name) => word(name)).join(", ")}</b>,
            },
            {
              key: "host",
              header: t("system.machine"),
              cell: (one) => <span className="mono">{[one.host, one.pid].filter(Boolean).join(" · ")}</span>,
            },
            {
              key: "since",
              header: t("system.since"),
              cell: (one) => figure(elapsed(one.started_at, now, i18n.language)),
            },
            {
              key: "associations",
              header: t("system.connections"),
              end: true,
              cell: (one) => figure(number(one.associations, i18n.language)),
            },
            {
              key: "waiting",
              header: t("system.pictures.waiting"),
              end: true,
              cell: (one) => figure(number(one.waiting, i18n.language)),
            },
            {
              key: "memory",
              header: t("system.memory"),
              end: true,
              cell: (one) => figure(size(one.resident_bytes, i18n.language)),
            },
            {
              key: "free",
              header: t("system.free"),
              end: true,
              cell: (one) => figure(size(one.disk_free_bytes, i18n.language)),
            },
            {
              key: "state",
              header: t("common.state"),
              cell: (one) =>
                one.draining ? <Tag tone="warn">{t("system.ending")}</Tag> : <Tag tone="ok">{t("system.alive")}</Tag>,
            },
          ]}
        />
      )}
    </section>
  );

  function word(name: string): string {
    if (name === "work") return t("system.work");
    return { dimse: "DICOM", dicomweb: "DICOMweb", mllp: "HL7", web: t("system.web") }[name] ?? name;
  }
}
