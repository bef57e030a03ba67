import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { readTrace } from "../api/calls";
import { actionName, plainText, traceDetail } from "../format/trace";
import { instant } from "../format/values";
import { DataTable } from "../ui/DataTable";
import { Failed, Loading } from "../ui/states";
import style from "./exam.module.css";

/** Who opened, took, rejected or changed this exam. */
export function Trace({ studyUid }: { studyUid: string }) {
  const { t, i18n } = useTranslation();
  const trace = useQuery({ queryKey: ["trace", studyUid], queryFn: ({ signal }) => readTrace(studyUid, signal) });
  if (trace.isPending) return <Loading />;
  if (trace.isError) return <Failed error={trace.error} onRetry={() => void trace.refetch()} />;
  if (trace.data.length === 0)
    return (
      <Text c="dimmed" p="md">
        {t("exam.trace.empty")}
      </Text>
    );
  return (
    <DataTable
      className={style.fill}
      label={t("exam.trace.label")}
      rows={trace.data.map((entry, index) => ({ ...entry, index }))}
      rowKey={(entry) => String(entry.index)}
      columns={[
        {
          key: "when",
          header: t("exam.trace.when"),
          width: 160,
          cell: (entry) => <span className="num">{instant(entry.at, i18n.language, true)}</span>,
        },
        {
          key: "who",
          header: t("exam.trace.who"),
          cell: (entry) => <b style={{ fontWeight: 600 }}>{plainText(entry.actor)}</b>,
        },
        { key: "what", header: t("exam.trace.what"), cell: (entry) => actionName(entry.action, t) },
        {
          key: "detail",
          header: t("exam.trace.detail"),
          cell: (entry) => <span className={style.value}>{traceDetail(entry.detail, t)}</span>,
        },
      ]}
    />
  );
}
