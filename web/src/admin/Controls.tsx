import { Button, Group, Modal, MultiSelect, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { addControl, listControls } from "../api/calls";
import type { Control, Device, NewControl } from "../api/types";
import { day } from "../format/values";
import { useMay } from "../session/session";
import { DayInput } from "../ui/DayInput";
import { FormError, notifyDone } from "../ui/errors";
import { Failed, Loading } from "../ui/states";
import { Tag, type Tone } from "../ui/Tag";
import { useChange } from "./useChange";

const KINDS: Control["kind"][] = ["quality_control", "maintenance"];
const RESULTS: Control["result"][] = ["conform", "minor", "serious"];
const TONES: Record<Control["result"], Tone> = { conform: "ok", minor: "warn", serious: "danger" };
/** The services that a device can be stopped for. */
const DEPENDENT = ["teleradiology", "dose", "screening", "postprocessing"] as const;

/** Stopped, overdue, or when the next control is due. */
export function ControlState({ device }: { device: Device }) {
  const { t, i18n } = useTranslation();
  const late = device.due.filter((due) => due.overdue);
  const next = [...device.due].sort((a, b) => a.on.localeCompare(b.on))[0];
  if (!device.receives_work)
    return (
      <Stack gap={2}>
        <Tag tone="danger">{t("controls.stopped")}</Tag>
        <Text size="xs" c="dimmed">
          {device.stopped.map((stop) => t(`sites.service.${stop.service}`)).join(", ")}
        </Text>
      </Stack>
    );
  if (late.length > 0)
    return (
      <Stack gap={2}>
        {late.map((due) => (
          <Tag key={due.kind} tone="warn">
            {t("controls.overdue", { kind: t(`controls.kinds.${due.kind}`), day: day(due.on, i18n.language) })}
          </Tag>
        ))}
      </Stack>
    );
  return next ? (
    <Text size="xs">{t("controls.next", { day: day(next.on, i18n.language) })}</Text>
  ) : (
    <Text size="xs" c="dimmed">
      {t("controls.none")}
    </Text>
  );
}

function ControlForm({ aet, onDone }: { aet: string; onDone: () => void }) {
  const { t } = useTranslation();
  const { busy, error, run } = useChange("devices");
  const [tried, setTried] = useState(false);
  const [draft, setDraft] = useState<NewControl>({
    kind: "quality_control",
    on: new Date().toLocaleDateString("sv"),
    by: "",
    result: "conform",
    next_due_on: null,
    services: [],
    note: null,
  });
  const set = (change: Partial<NewControl>) => setDraft({ ...draft, ...change });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (!draft.by.trim() || !draft.on) return;
    if (await run(() => addControl(aet, draft))) {
      notifyDone(t("controls.added"));
      onDone();
    }
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        <Group grow align="flex-start">
          <Select
            label={t("controls.kind")}
            allowDeselect={false}
            data={KINDS.map((kind) => ({ value: kind, label: t(`controls.kinds.${kind}`) }))}
            value={draft.kind}
            onChange={(kind) => kind && set({ kind: kind as Control["kind"] })}
          />
          <Select
            label={t("controls.result")}
            allowDeselect={false}
            data={RESULTS.map((result) => ({ value: result, label: t(`controls.results.${result}`) }))}
            value={draft.result}
            onChange={(result) => result && set({ result: result as Control["result"] })}
          />
        </Group>
        <Group grow align="flex-start">
          <DayInput
            label={t("controls.on")}
            value={draft.on || undefined}
            error={tried && !draft.on && t("common.required")}
            onChange={(on) => set({ on: on ?? "" })}
          />
          <DayInput
            label={t("controls.nextDue")}
            value={draft.next_due_on ?? undefined}
            onChange={(on) => set({ next_due_on: on ?? null })}
          />
        </Group>
        <TextInput
          label={t("controls.by")}
          maxLength={120}
          value={draft.by}
          error={tried && !draft.by.trim() && t("common.required")}
          onChange={(event) => set({ by: event.currentTarget.value })}
        />
        <MultiSelect
          label={t("controls.services")}
          description={t("controls.servicesHint")}
          data={DEPENDENT.map((service) => ({ value: service, label: t(`sites.service.${service}`) }))}
          value={draft.services}
          onChange={(services) => set({ services })}
        />
        <Textarea
          label={t("controls.note")}
          maxLength={500}
          value={draft.note ?? ""}
          onChange={(event) => set({ note: event.currentTarget.value.replace(/\s*\n\s*/g, " ") || null })}
        />
        {draft.result === "serious" && (
          <Text size="sm" c="var(--app-danger)" role="status">
            {t("controls.seriousText")}
          </Text>
        )}
        <FormError error={error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onDone}>
            {t("common.cancel")}
          </Button>
          <Button type="submit" loading={busy}>
            {t("common.add")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** The controls of one device: why it is stopped, what was done, and a form for the next. */
export function Controls({ device, onClose }: { device: Device | null; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      size="lg"
      opened={device !== null}
      onClose={onClose}
      title={t("controls.title", { aet: device?.aet })}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      {device && <ControlList device={device} />}
    </Modal>
  );
}

function ControlList({ device }: { device: Device }) {
  const { t, i18n } = useTranslation();
  const may = useMay();
  const [adding, setAdding] = useState(false);
  const query = useQuery({
    queryKey: ["devices", device.aet, "controls"],
    queryFn: ({ signal }) => listControls(device.aet, signal),
  });
  if (adding) return <ControlForm aet={device.aet} onDone={() => setAdding(false)} />;
  return (
    <Stack gap="sm">
      {device.stopped.map((stop) => (
        <Text key={stop.service} size="sm" c="var(--app-danger)">
          <b>{t(`sites.service.${stop.service}`)}</b> · {t("controls.stopped")}
        </Text>
      ))}
      {!device.receives_work && <Text size="sm">{t("controls.stoppedText")}</Text>}
      {query.isPending ? (
        <Loading />
      ) : query.isError ? (
        <Failed error={query.error} onRetry={() => void query.refetch()} />
      ) : query.data.length === 0 ? (
        <Text c="dimmed">{t("controls.empty")}</Text>
      ) : (
        query.data.map((control) => (
          <Group key={control.id} justify="space-between" align="flex-start" wrap="nowrap">
            <Stack gap={0}>
              <Text size="sm">
                <b>{day(control.on, i18n.language)}</b> · {t(`controls.kinds.${control.kind}`)} · {control.by}
              </Text>
              {(control.note || control.next_due_on) && (
                <Text size="xs" c="dimmed">
                  {[
                    control.note,
                    control.next_due_on && t("controls.next", { day: day(control.next_due_on, i18n.language) }),
                  ]
                    .filter(Boolean)
                    .join(" · ")}
                </Text>
              )}
            </Stack>
            <Tag tone={TONES[control.result]}>{t(`controls.results.${control.result}`)}</Tag>
          </Group>
        ))
      )}
      {may("device.control") && (
        <Group justify="flex-end">
          <Button onClick={() => setAdding(true)}>{t("controls.add")}</Button>
        </Group>
      )}
    </Stack>
  );
}
