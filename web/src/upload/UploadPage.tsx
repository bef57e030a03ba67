import { Alert, Progress as Bar, Button, Group, Select, Text } from "@mantine/core";
import { IconFileAlert, IconPlayerPause, IconPlayerPlay, IconRefresh, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { number, size } from "../format/values";
import { Page } from "../ui/Page";
import { Pager } from "../ui/Pager";
import { Tag, type Tone } from "../ui/Tag";
import { DropZone } from "./DropZone";
import { STATES } from "./fates";
import { TargetDialog } from "./TargetDialog";
import { UploadTable } from "./UploadTable";
import style from "./upload.module.css";
import { type Progress, uploads, useUploads } from "./uploads";

const PAGE = 100;
const SUMMARY: [name: "stored" | "already_stored" | "kept_aside" | "refused", tone: Tone][] = [
  ["stored", "ok"],
  ["already_stored", "info"],
  ["kept_aside", "warn"],
  ["refused", "danger"],
];

function timeLeft(progress: Progress, language: string): string {
  const seconds = (progress.totalBytes - progress.sentBytes) / progress.bytesPerSecond;
  if (!Number.isFinite(seconds) || seconds < 1) return "";
  const inMinutes = seconds >= 90;
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: inMinutes ? "minute" : "second",
    unitDisplay: "short",
    maximumFractionDigits: 0,
  }).format(inMinutes ? seconds / 60 : seconds);
}

function Numbers({ progress }: { progress: Progress }) {
  const { t, i18n } = useTranslation();
  const failed = progress.states.failed;
  return (
    <div className={style.numbers} role="status">
      {SUMMARY.map(([fate, tone]) => {
        const count = progress.fates[fate] ?? 0;
        return count > 0 ? (
          <Tag key={fate} tone={tone}>
            {t(`upload.summary.${fate}`, { count, formatted: number(count, i18n.language) })}
          </Tag>
        ) : null;
      })}
      {failed > 0 && (
        <Tag tone="danger">
          {t("upload.summary.failed", { count: failed, formatted: number(failed, i18n.language) })}
        </Tag>
      )}
    </div>
  );
}

function Controls({ progress }: { progress: Progress }) {
  const { t } = useTranslation();
  const { left, paused, states } = progress;
  return (
    <Group gap="xs" wrap="nowrap">
      {states.failed > 0 && (
        <Button size="compact-sm" leftSection={<IconRefresh size={14} aria-hidden />} onClick={() => uploads.retry()}>
          {t("upload.retryFailed", { count: states.failed })}
        </Button>
      )}
      {left > 0 && (
        <>
          <Button
            size="compact-sm"
            variant="default"
            leftSection={paused ? <IconPlayerPlay size={14} aria-hidden /> : <IconPlayerPause size={14} aria-hidden />}
            onClick={() => (paused ? uploads.resume() : uploads.pause())}
          >
            {paused ? t("upload.resume") : t("upload.pause")}
          </Button>
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconX size={14} aria-hidden />}
            onClick={() => uploads.cancel()}
          >
            {t("upload.cancelAll")}
          </Button>
        </>
      )}
      {left === 0 && (
        <Button size="compact-sm" variant="default" onClick={() => uploads.clearDone()}>
          {t("upload.clearDone")}
        </Button>
      )}
    </Group>
  );
}

function Overall({ progress }: { progress: Progress }) {
  const { t, i18n } = useTranslation();
  const language = i18n.language;
  const total = progress.uploads.length - progress.states.ignored - progress.states.cancelled;
  const done = total - progress.left - progress.states.needs_target;
  const time = progress.left > 0 && !progress.paused ? timeLeft(progress, language) : "";
  const share = progress.totalBytes ? (100 * progress.sentBytes) / progress.totalBytes : 0;
  return (
    <div className="panel" style={{ padding: "12px 14px" }}>
      <Group justify="space-between" mb={8} wrap="nowrap">
        <Text size="sm" fw={600} className="num">
          {t("upload.progress", { done: number(done, language), total: number(total, language) })}
          {progress.left > 0 && (
            <Text component="span" size="sm" c="dimmed" ml={10}>
              {progress.paused
                ? t("upload.paused")
                : [
                    `${size(progress.sentBytes, language)} / ${size(progress.totalBytes, language)}`,
                    t("upload.rate", { rate: size(progress.bytesPerSecond, language) }),
                    time && t("upload.timeLeft", { time }),
                  ]
                    .filter(Boolean)
                    .join(" · ")}
            </Text>
          )}
        </Text>
        <Controls progress={progress} />
      </Group>
      <Bar.Root size={8} mb={10}>
        <Bar.Section value={share} aria-label={t("upload.progressLabel")} />
      </Bar.Root>
      <Numbers progress={progress} />
    </div>
  );
}

function Files({ progress }: { progress: Progress }) {
  const { t } = useTranslation();
  const [shown, setShown] = useState("");
  const [page, setPage] = useState(0);
  const filter = shown && progress.states[shown as keyof typeof progress.states] > 0 ? shown : "";
  const all = filter ? progress.uploads.filter((upload) => upload.state === filter) : progress.uploads;
  const from = Math.min(page * PAGE, Math.max(0, Math.floor((all.length - 1) / PAGE) * PAGE));
  const rows = all.slice(from, from + PAGE);
  return (
    <div
      className="panel"
      style={{ display: "flex", flexDirection: "column", flex: 1, minHeight: 220, overflow: "hidden" }}
    >
      <Group justify="space-between" p="8px 12px" style={{ borderBottom: "1px solid var(--app-line)" }}>
        <Select
          size="xs"
          w={220}
          aria-label={t("upload.show")}
          allowDeselect={false}
          data={[
            { value: "", label: `${t("common.all")} (${progress.uploads.length})` },
            ...STATES.filter((state) => progress.states[state] > 0).map((state) => ({
              value: state,
              label: `${t(`upload.fate.${state}`, { detail: "…" })} (${progress.states[state]})`,
            })),
          ]}
          value={filter}
          onChange={(value) => {
            setShown(value ?? "");
            setPage(0);
          }}
        />
        {all.length > PAGE && (
          <Pager
            from={from + 1}
            shown={rows.length}
            total={all.length}
            onFirst={from ? () => setPage(0) : undefined}
            onPrevious={from ? () => setPage(from / PAGE - 1) : undefined}
            onNext={from + PAGE < all.length ? () => setPage(from / PAGE + 1) : undefined}
          />
        )}
      </Group>
      <UploadTable rows={rows} />
    </div>
  );
}

export function UploadPage() {
  const { t } = useTranslation();
  const progress = useUploads();
  const [choosing, setChoosing] = useState(false);
  const homeless = progress.states.needs_target;
  const some = progress.uploads.length > 0;
  return (
    <Page title={t("upload.title")}>
      <DropZone
        title={t("upload.intro")}
        text={t("upload.introText")}
        small={some}
        folders
        onFound={(found) => uploads.add(found)}
      />
      {homeless > 0 && (
        <Alert variant="light" color="orange" p="xs" icon={<IconFileAlert size={20} aria-hidden />}>
          <Group gap="md">
            <Text size="sm" fw={600}>
              {t("upload.needsTarget", { count: homeless })}
            </Text>
            <Button size="compact-sm" onClick={() => setChoosing(true)}>
              {t("upload.choose")}
            </Button>
          </Group>
        </Alert>
      )}
      {some && <Overall progress={progress} />}
      {some && <Files progress={progress} />}
      <TargetDialog
        opened={choosing}
        count={homeless}
        onClose={() => setChoosing(false)}
        onTarget={(target) => uploads.assign(target)}
      />
    </Page>
  );
}
