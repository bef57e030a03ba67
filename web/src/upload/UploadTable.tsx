import { ActionIcon, Anchor, Group, Progress, Text, Tooltip } from "@mantine/core";
import { IconRefresh, IconX } from "@tabler/icons-react";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { size } from "../format/values";
import { type Column, DataTable } from "../ui/DataTable";
import { reasonText } from "../ui/errors";
import { Tag, type Tone } from "../ui/Tag";
import { fateName, type UploadState } from "./fates";
import { type Upload, uploads } from "./uploads";

const TONES: Partial<Record<UploadState, Tone>> = {
  stored: "ok",
  already_stored: "info",
  kept_aside: "warn",
  mixed: "info",
  refused: "danger",
  failed: "danger",
  needs_target: "warn",
};
const COUNTED = ["stored", "already_stored", "kept_aside", "refused"] as const;

/** `Done, 12 stored, 1 refused` for a ZIP with several fates. */
function mixedText(upload: Upload, t: TFunction): string {
  const parts = COUNTED.flatMap((fate) => {
    const count = upload.rows.filter((row) => fateName(row.fate) === fate).length;
    return count ? [t(`upload.summary.${fate}`, { count, formatted: count })] : [];
  });
  return t("upload.fate.mixed", { detail: parts.join(", ") });
}

function Fate({ upload }: { upload: Upload }) {
  const { t } = useTranslation();
  if (upload.state === "sending")
    return (
      <Progress.Root size="lg" style={{ minWidth: 90 }}>
        <Progress.Section
          value={(100 * upload.sentBytes) / Math.max(1, upload.file.size)}
          aria-label={t("upload.fileProgress", { name: upload.path })}
        />
      </Progress.Root>
    );
  const many = upload.rows.length > 1 && upload.state !== "mixed";
  const text = upload.state === "mixed" ? mixedText(upload, t) : t(`upload.fate.${upload.state}`);
  return (
    <Tag tone={TONES[upload.state]}>
      {text}
      {many && ` × ${upload.rows.length}`}
    </Tag>
  );
}

function Reason({ upload }: { upload: Upload }) {
  const { t } = useTranslation();
  const study = upload.rows.find((row) => row.study_uid)?.study_uid;
  const bad = upload.rows.filter((row) => row.reason);
  const help = upload.state === "kept_aside" ? t("upload.fateHelp.kept_aside") : reasonText(upload.reason, t);
  return (
    <Group gap={8} wrap="nowrap">
      {bad.length > 1 ? (
        <details>
          <summary>{`${help} (${bad.length})`}</summary>
          {bad.slice(0, 200).map((row) => (
            <Text key={`${row.name}${row.sop_instance_uid}`} size="xs">
              <span className="mono">{row.name}</span> {reasonText(row.reason, t)}
            </Text>
          ))}
        </details>
      ) : (
        help && <span>{help}</span>
      )}
      {study && (
        <Anchor component={Link} to={`/exams/${study}`} size="sm" style={{ whiteSpace: "nowrap" }}>
          {t("upload.openExam")}
        </Anchor>
      )}
    </Group>
  );
}

function RowActions({ upload }: { upload: Upload }) {
  const { t } = useTranslation();
  const stop = ["waiting", "sending", "processing", "needs_target"].includes(upload.state);
  const again = ["failed", "refused", "cancelled"].includes(upload.state) && upload.file.size > 0;
  const name = upload.path;
  if (!stop && !again) return null;
  const label = stop ? t("upload.cancel", { name }) : t("upload.retry", { name });
  return (
    <Tooltip label={stop ? t("common.cancel") : t("common.retry")}>
      <ActionIcon
        variant="subtle"
        color="gray"
        c="var(--mantine-color-dimmed)"
        size={24}
        aria-label={label}
        onClick={() => (stop ? uploads.cancel(upload.id) : uploads.retry(upload.id))}
      >
        {stop ? <IconX size={15} /> : <IconRefresh size={15} />}
      </ActionIcon>
    </Tooltip>
  );
}

export function UploadTable({ rows, className }: { rows: Upload[]; className?: string }) {
  const { t, i18n } = useTranslation();
  const columns: Column<Upload>[] = [
    {
      key: "file",
      header: t("upload.column.file"),
      cell: (upload) => (
        <span
          className="clip"
          style={{ display: "block", maxWidth: 380, direction: "rtl", textAlign: "left" }}
          title={upload.path}
        >
          <bdi>{upload.path}</bdi>
        </span>
      ),
    },
    {
      key: "size",
      header: t("upload.column.size"),
      width: 90,
      end: true,
      cell: (upload) => <span className="num">{size(upload.file.size, i18n.language)}</span>,
    },
    { key: "fate", header: t("upload.column.fate"), width: 170, cell: (upload) => <Fate upload={upload} /> },
    { key: "reason", header: t("upload.column.reason"), cell: (upload) => <Reason upload={upload} /> },
    {
      key: "actions",
      header: <span className="hidden-visually">{t("common.actions")}</span>,
      width: 40,
      tight: true,
      cell: (upload) => <RowActions upload={upload} />,
    },
  ];
  return (
    <DataTable
      className={className}
      label={t("upload.list")}
      columns={columns}
      rows={rows}
      rowKey={(upload) => String(upload.id)}
    />
  );
}
