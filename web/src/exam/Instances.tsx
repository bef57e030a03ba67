import { ActionIcon, Button, Checkbox, Text, Tooltip } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconBan, IconListDetails } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Instance, Series } from "../api/types";
import { syntaxName } from "../dicom/syntax";
import { size } from "../format/values";
import { useMay } from "../session/session";
import { CopyText } from "../ui/CopyText";
import { type Column, DataTable } from "../ui/DataTable";
import { Pager } from "../ui/Pager";
import style from "./exam.module.css";

const PAGE = 100;

interface Props {
  series: Series;
  instances: Instance[];
  onTags: (sopInstanceUid: string) => void;
  onReject: (sopInstanceUids?: string[]) => void;
}

function useColumns(
  selected: ReadonlySet<string>,
  toggle: (uid: string) => void,
  selectable: boolean,
  onTags: (uid: string) => void,
) {
  const { t, i18n } = useTranslation();
  const roomy = useMediaQuery("(min-width: 1200px)", true, { getInitialValueInEffect: false });
  const columns: Column<Instance>[] = [
    {
      key: "number",
      header: t("exam.instances.number"),
      width: 56,
      end: true,
      cell: (one) => <span className="num">{one.number ?? "–"}</span>,
    },
    { key: "type", header: t("exam.instances.type"), cell: (one) => one.sop_class.replace(/ Storage\b/, "") },
    { key: "syntax", header: t("exam.instances.syntax"), cell: (one) => syntaxName(one.transfer_syntax) },
    {
      key: "frames",
      header: t("exam.instances.frames"),
      width: 60,
      end: true,
      cell: (one) => <span className="num">{one.frame_count || "–"}</span>,
    },
    {
      key: "size",
      header: t("exam.instances.size"),
      width: 84,
      end: true,
      cell: (one) => <span className="num">{size(one.size_bytes, i18n.language)}</span>,
    },
    {
      key: "uid",
      header: t("exam.instances.uid"),
      cell: (one) => (
        <div style={{ maxWidth: 240 }}>
          <CopyText value={one.sop_instance_uid} label={t("exam.instances.uid")} />
        </div>
      ),
    },
    {
      key: "tags",
      header: <span className="hidden-visually">{t("exam.tabTags")}</span>,
      width: 44,
      tight: true,
      cell: (one) => (
        <Tooltip label={t("exam.tabTags")}>
          <ActionIcon
            variant="subtle"
            size={24}
            aria-label={t("exam.instances.tags", { number: one.number ?? "–" })}
            onClick={() => onTags(one.sop_instance_uid)}
          >
            <IconListDetails size={16} />
          </ActionIcon>
        </Tooltip>
      ),
    },
  ];
  // The UID stays one click away, among the tags.
  const shown = roomy ? columns : columns.filter((column) => column.key !== "uid");
  if (selectable)
    shown.unshift({
      key: "select",
      header: <span className="hidden-visually">{t("common.actions")}</span>,
      width: 36,
      tight: true,
      cell: (one) => (
        <Checkbox
          size="xs"
          checked={selected.has(one.sop_instance_uid)}
          onChange={() => toggle(one.sop_instance_uid)}
          aria-label={t("exam.instances.select", { number: one.number ?? "–" })}
        />
      ),
    });
  return shown;
}

/** The images of one series, a hundred at a time, with a choice of them to reject. */
export function Instances({ series, instances, onTags, onReject }: Props) {
  const { t } = useTranslation();
  const may = useMay();
  const [page, setPage] = useState(0);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  // biome-ignore lint/correctness/useExhaustiveDependencies: another series starts anew
  useEffect(() => {
    setPage(0);
    setSelected(new Set());
  }, [series.series_uid]);
  const toggle = (uid: string) => {
    const next = new Set(selected);
    if (!next.delete(uid)) next.add(uid);
    setSelected(next);
  };
  const columns = useColumns(selected, toggle, may("exam.reject"), onTags);
  const rows = instances.slice(page * PAGE, (page + 1) * PAGE);
  const allHere = rows.length > 0 && rows.every((one) => selected.has(one.sop_instance_uid));
  const toggleAll = () =>
    setSelected(allHere ? new Set() : new Set([...selected, ...rows.map((one) => one.sop_instance_uid)]));
  const last = (page + 1) * PAGE >= instances.length;
  return (
    <>
      <div className={style.tools}>
        {may("exam.reject") && (
          <>
            <Checkbox
              size="xs"
              ml={-6}
              checked={allHere}
              indeterminate={!allHere && selected.size > 0}
              onChange={toggleAll}
              aria-label={t("exam.instances.selectAll")}
            />
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<IconBan size={14} aria-hidden />}
              disabled={series.rejected}
              onClick={() => onReject(selected.size ? [...selected] : undefined)}
            >
              {selected.size ? t("exam.rejectInstances", { count: selected.size }) : t("exam.rejectSeries")}
            </Button>
          </>
        )}
        <Text size="xs" c="dimmed" role="status">
          {selected.size > 0 && t("exam.instances.selected", { count: selected.size })}
        </Text>
        <span style={{ flex: 1 }} />
        {instances.length > PAGE && (
          <Pager
            from={page * PAGE + 1}
            shown={rows.length}
            total={instances.length}
            onFirst={page ? () => setPage(0) : undefined}
            onPrevious={page ? () => setPage(page - 1) : undefined}
            onNext={last ? undefined : () => setPage(page + 1)}
          />
        )}
      </div>
      <DataTable
        className={style.fill}
        label={t("exam.instances.label")}
        columns={columns}
        rows={rows}
        rowKey={(one) => one.sop_instance_uid}
        look={(one) => ({ selected: selected.has(one.sop_instance_uid), muted: one.rejected })}
      />
    </>
  );
}
