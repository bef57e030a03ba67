import { Button, Select, Text, TextInput } from "@mantine/core";
import { IconChevronDown, IconChevronRight, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { readMetadata } from "../api/calls";
import type { Instance } from "../api/types";
import { type Dictionary, filterLines, openLines, printSize, printTag, type TagLine, tagLines } from "../dicom/tags";
import { number } from "../format/values";
import { type Column, DataTable } from "../ui/DataTable";
import { Failed, Loading } from "../ui/states";
import style from "./exam.module.css";

const LONG = 300;

function useLines(studyUid: string, seriesUid: string, instanceUid: string) {
  return useQuery({
    queryKey: ["metadata", instanceUid],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => {
      const [object, dictionary] = await Promise.all([
        readMetadata(studyUid, seriesUid, instanceUid, signal),
        import("../dicom/dictionary.json").then((module) => module.default as Dictionary),
      ]);
      return tagLines(object, dictionary);
    },
  });
}

function Value({ line }: { line: TagLine }) {
  const { t, i18n } = useTranslation();
  const [whole, setWhole] = useState(false);
  if (line.kind === "item") return null;
  if (line.vr === "SQ") return <span className={style.soft}>{t("exam.tags.items", { count: line.itemCount })}</span>;
  if (line.binary === "apart") return <span className={style.soft}>{t("exam.tags.bulk")}</span>;
  if (line.binary)
    return <span className={style.soft}>{t("exam.tags.binary", { size: printSize(line.bytes, i18n.language) })}</span>;
  if (!line.value) return <span className={style.soft}>{t("exam.tags.emptyValue")}</span>;
  const cut = !whole && line.value.length > LONG;
  return (
    <span className={style.value}>
      {cut ? `${line.value.slice(0, LONG)}… ` : line.value}
      {cut && (
        <Button size="compact-xs" variant="subtle" onClick={() => setWhole(true)}>
          {t("exam.tags.more")}
        </Button>
      )}
    </span>
  );
}

function useTagColumns(closed: ReadonlySet<string>, toggle: (path: string) => void): Column<TagLine>[] {
  const { t } = useTranslation();
  const twig = (line: TagLine) => {
    const isClosed = closed.has(line.path);
    const name =
      line.kind === "item" ? t("exam.tags.item", { number: line.itemNumber }) : line.keyword || printTag(line.tag);
    const Icon = isClosed ? IconChevronRight : IconChevronDown;
    return (
      <button
        type="button"
        className={style.twig}
        aria-expanded={!isClosed}
        aria-label={t(isClosed ? "exam.tags.expand" : "exam.tags.collapse", { name })}
        onClick={() => toggle(line.path)}
      >
        <Icon size={14} aria-hidden />
      </button>
    );
  };
  return [
    {
      key: "tag",
      header: t("exam.tags.tag"),
      cell: (line) => (
        <span className="mono" style={{ paddingLeft: line.depth * 14, whiteSpace: "nowrap" }}>
          {(line.kind === "item" || line.itemCount > 0) && twig(line)}
          {line.kind === "item" ? t("exam.tags.item", { number: line.itemNumber }) : printTag(line.tag)}
        </span>
      ),
    },
    {
      key: "keyword",
      header: t("exam.tags.keyword"),
      cell: (line) =>
        line.keyword ||
        (line.private && line.kind === "attribute" ? <span className={style.soft}>{t("exam.tags.private")}</span> : ""),
    },
    {
      key: "vr",
      header: t("exam.tags.vr"),
      width: 44,
      cell: (line) => <span className="mono">{line.kind === "item" ? "" : line.vr}</span>,
    },
    { key: "value", header: t("exam.tags.value"), width: "50%", cell: (line) => <Value line={line} /> },
  ];
}

interface Props {
  studyUid: string;
  seriesUid: string;
  instances: Instance[];
  instanceUid: string;
  onInstance: (sopInstanceUid: string) => void;
}

/** Every attribute of one instance, as a tree that can be searched. */
export function TagBrowser({ studyUid, seriesUid, instances, instanceUid, onInstance }: Props) {
  const { t, i18n } = useTranslation();
  const lines = useLines(studyUid, seriesUid, instanceUid);
  const [search, setSearch] = useState("");
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const wanted = useDeferredValue(search);
  const shown = useMemo(() => {
    const found = filterLines(lines.data ?? [], wanted);
    return wanted.trim() ? found : openLines(found, closed);
  }, [lines.data, wanted, closed]);
  const toggle = (path: string) => {
    const next = new Set(closed);
    if (!next.delete(path)) next.add(path);
    setClosed(next);
  };
  const columns = useTagColumns(closed, toggle);
  const sequences = () => (lines.data ?? []).filter((line) => line.kind === "attribute" && line.itemCount > 0);
  const count = shown.filter((line) => line.kind === "attribute").length;
  return (
    <>
      <div className={style.tools}>
        <TextInput
          type="search"
          aria-label={t("exam.tags.search")}
          placeholder={t("exam.tags.search")}
          leftSection={<IconSearch size={15} aria-hidden />}
          style={{ flex: "1 1 220px", maxWidth: 340 }}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
        <Select
          aria-label={t("exam.tags.instance")}
          w={130}
          searchable={instances.length > 10}
          limit={200}
          allowDeselect={false}
          data={instances.map((one, index) => ({
            value: one.sop_instance_uid,
            label: `${t("exam.tags.instance")} ${one.number ?? index + 1}`,
          }))}
          value={instanceUid}
          onChange={(uid) => uid && onInstance(uid)}
        />
        <Button size="compact-sm" variant="subtle" onClick={() => setClosed(new Set())}>
          {t("exam.tags.expandAll")}
        </Button>
        <Button
          size="compact-sm"
          variant="subtle"
          onClick={() => setClosed(new Set(sequences().map((line) => line.path)))}
        >
          {t("exam.tags.collapseAll")}
        </Button>
        <span style={{ flex: 1 }} />
        <Text size="xs" c="dimmed" className="num" role="status">
          {lines.data && t("exam.tags.count", { count, formatted: number(count, i18n.language) })}
        </Text>
      </div>
      {lines.isPending ? (
        <Loading />
      ) : lines.isError ? (
        <Failed error={lines.error} onRetry={() => void lines.refetch()} />
      ) : shown.length === 0 ? (
        <Text c="dimmed" p="md">
          {t("exam.tags.noMatch")}
        </Text>
      ) : (
        <DataTable
          className={style.fill}
          label={t("exam.tags.label")}
          columns={columns}
          rows={shown}
          rowKey={(line) => line.path}
        />
      )}
    </>
  );
}
