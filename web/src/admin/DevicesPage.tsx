import { Button, Group, Menu, Modal, NumberInput, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { IconDeviceDesktopAnalytics, IconLock } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { addDevice, changeDevice, echoDevice, listDevices, removeDevice } from "../api/calls";
import type { Device, DeviceFields, EchoResult } from "../api/types";
import { useSites } from "../exams/Filters";
import { number } from "../format/values";
import { useMay } from "../session/session";
import { Confirm } from "../ui/Confirm";
import type { Column } from "../ui/DataTable";
import { FormError, notifyDone, notifyError, reasonText, sentenceOf } from "../ui/errors";
import { Tag } from "../ui/Tag";
import { AdminList } from "./AdminList";
import { ControlState, Controls } from "./Controls";
import { RowMenu } from "./RowMenu";
import { useChange } from "./useChange";

const AET = /^[\x20-\x5b\x5d-\x7e]{1,16}$/;
const NEW: DeviceFields = {
  aet: "",
  host: "",
  port: 104,
  site_id: "",
  description: "",
  active: true,
  tls: false,
  receives_rejections: false,
  receives_from_other_sites: false,
};

/** What a form sends: not what the platform works out from the controls. */
function fieldsOf(device: DeviceFields): DeviceFields {
  const { receives_work: _w, stopped: _s, due: _d, ...fields } = device as Device;
  return fields;
}

function DeviceForm({ device, isNew, onClose }: { device: DeviceFields; isNew: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const sites = useSites();
  const may = useMay();
  const { busy, error, run } = useChange("devices");
  const [draft, setDraft] = useState<DeviceFields>({
    ...fieldsOf(device),
    site_id: device.site_id || (sites[0]?.id ?? ""),
  });
  const [tried, setTried] = useState(false);
  const set = (change: Partial<DeviceFields>) => setDraft({ ...draft, ...change });
  const badAet = !AET.test(draft.aet.trim());
  const badPort = !(draft.port >= 1 && draft.port <= 65535);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (badAet || badPort || !draft.host.trim()) return;
    const { aet, active: _, ...change } = draft;
    const done = await run(() => (isNew ? addDevice({ aet: aet.trim(), ...change }) : changeDevice(aet, change)));
    if (!done) return;
    notifyDone(isNew ? t("devices.added", { aet: draft.aet }) : t("common.saved"));
    onClose();
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        <TextInput
          label={t("devices.aet")}
          description={t("devices.aetHint")}
          data-autofocus={isNew || undefined}
          disabled={!isNew}
          maxLength={16}
          value={draft.aet}
          error={tried && badAet && t("devices.badAet")}
          onChange={(event) => set({ aet: event.currentTarget.value })}
        />
        <Group align="flex-start" wrap="nowrap">
          <TextInput
            style={{ flex: 1 }}
            label={t("devices.host")}
            value={draft.host}
            error={tried && !draft.host.trim() && t("common.required")}
            onChange={(event) => set({ host: event.currentTarget.value })}
          />
          <NumberInput
            w={110}
            label={t("devices.port")}
            min={1}
            max={65535}
            hideControls
            value={draft.port}
            error={tried && badPort && t("devices.badPort")}
            onChange={(value) => set({ port: Number(value) })}
          />
        </Group>
        <Select
          label={t("devices.site")}
          allowDeselect={false}
          data={sites.map((site) => ({ value: site.id, label: site.name }))}
          value={draft.site_id || null}
          onChange={(site) => site && set({ site_id: site })}
        />
        <TextInput
          label={t("devices.description")}
          value={draft.description ?? ""}
          onChange={(event) => set({ description: event.currentTarget.value })}
        />
        <Switch
          label={t("devices.tls")}
          checked={draft.tls}
          onChange={(event) => set({ tls: event.currentTarget.checked })}
        />
        <Switch
          label={t("devices.receivesRejections")}
          description={t("devices.receivesRejectionsHint")}
          checked={draft.receives_rejections}
          onChange={(event) => set({ receives_rejections: event.currentTarget.checked })}
        />
        {may("site.manage") && (
          <Switch
            label={t("devices.receivesFromOtherSites")}
            description={t("devices.receivesFromOtherSitesHint")}
            checked={draft.receives_from_other_sites}
            onChange={(event) => set({ receives_from_other_sites: event.currentTarget.checked })}
          />
        )}
        <FormError error={error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button type="submit" loading={busy}>
            {isNew ? t("common.add") : t("common.save")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** C-ECHO, and what came back. */
function Echo({ device }: { device: Device }) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<EchoResult | null>(null);
  const test = async () => {
    setBusy(true);
    try {
      setResult(await echoDevice(device.aet));
    } catch (error) {
      setResult({ ok: false, reason: sentenceOf(error, t), took_ms: null });
    } finally {
      setBusy(false);
    }
  };
  return (
    <Group gap={8} wrap="nowrap">
      <Button
        size="compact-xs"
        variant="default"
        loading={busy}
        onClick={test}
        aria-label={t("devices.echoOf", { aet: device.aet })}
      >
        {t("devices.echo")}
      </Button>
      <span role="status">
        {result &&
          (result.ok ? (
            <Tag tone="ok">{t("devices.echoOk", { ms: Math.round(result.took_ms ?? 0) })}</Tag>
          ) : (
            <Text component="span" size="xs" c="var(--app-danger)" fw={550}>
              {t("devices.echoFailed", { reason: reasonText(result.reason, t) })}
            </Text>
          ))}
      </span>
    </Group>
  );
}

interface Acts {
  onEdit: (device: Device) => void;
  onRemove: (device: Device) => void;
  onControls: (device: Device) => void;
}

function useDeviceColumns({ onEdit, onRemove, onControls }: Acts): Column<Device>[] {
  const { t } = useTranslation();
  const sites = useSites();
  const manages = useMay()("device.manage");
  const { run } = useChange("devices");
  const toggle = async (device: Device) => {
    await run(() => changeDevice(device.aet, { active: !device.active }).catch(notifyError));
  };
  return [
    {
      key: "aet",
      header: t("devices.aet"),
      cell: (device) => (
        <b className="mono" style={{ fontSize: 13 }}>
          {device.aet}
        </b>
      ),
    },
    {
      key: "address",
      header: t("devices.host"),
      cell: (device) => (
        <Group gap={6} wrap="nowrap">
          <span className="mono">
            {device.host}:{device.port}
          </span>
          {device.tls && <Tag icon={<IconLock size={12} aria-hidden />}>TLS</Tag>}
        </Group>
      ),
    },
    {
      key: "site",
      header: t("devices.site"),
      cell: (device) => sites.find((site) => site.id === device.site_id)?.name ?? device.site_id,
    },
    { key: "description", header: t("devices.description"), cell: (device) => device.description },
    {
      key: "state",
      header: t("common.state"),
      width: 84,
      cell: (device) => (
        <Tag tone={device.active ? "ok" : "quiet"}>{device.active ? t("common.active") : t("common.disabled")}</Tag>
      ),
    },
    {
      key: "controls",
      header: t("controls.column"),
      width: 170,
      cell: (device) => <ControlState device={device} />,
    },
    ...(manages
      ? [{ key: "echo", header: "C-ECHO", width: 160, cell: (device: Device) => <Echo device={device} /> }]
      : []),
    {
      key: "actions",
      header: <span className="hidden-visually">{t("common.actions")}</span>,
      width: 44,
      tight: true,
      cell: (device) => (
        <RowMenu label={t("devices.rowActions", { aet: device.aet })}>
          <Menu.Item onClick={() => onControls(device)}>{t("controls.column")}</Menu.Item>
          {manages && (
            <>
              <Menu.Item onClick={() => onEdit(device)}>{t("common.edit")}</Menu.Item>
              <Menu.Item onClick={() => void toggle(device)}>
                {device.active ? t("common.disable") : t("common.enable")}
              </Menu.Item>
              <Menu.Item c="var(--app-danger)" onClick={() => onRemove(device)}>
                {t("common.remove")}
              </Menu.Item>
            </>
          )}
        </RowMenu>
      ),
    },
  ];
}

export function DevicesPage() {
  const { t, i18n } = useTranslation();
  const query = useQuery({ queryKey: ["devices"], queryFn: ({ signal }) => listDevices(signal) });
  const [editing, setEditing] = useState<DeviceFields | null>(null);
  const [looking, setLooking] = useState<string | null>(null);
  const [removing, setRemoving] = useState<Device | null>(null);
  const { run } = useChange("devices");
  const columns = useDeviceColumns({
    onEdit: setEditing,
    onRemove: setRemoving,
    onControls: (device) => setLooking(device.aet),
  });
  const manages = useMay()("device.manage");
  const isNew = editing?.aet === "";
  return (
    <AdminList
      title={t("devices.title")}
      intro={t("devices.intro")}
      add={t("devices.add")}
      onAdd={manages ? () => setEditing(NEW) : undefined}
      query={query}
      columns={columns}
      rowKey={(device) => device.aet}
      text={(device) => `${device.aet} ${device.host} ${device.description ?? ""} ${device.site_id}`}
      search={t("devices.search")}
      count={(rows) => t("devices.count", { count: rows.length, formatted: number(rows.length, i18n.language) })}
      look={(device) => ({ muted: !device.active })}
      empty={{
        icon: <IconDeviceDesktopAnalytics size={36} stroke={1.4} />,
        title: t("devices.emptyTitle"),
        text: t("devices.emptyText"),
      }}
    >
      <Modal
        opened={editing !== null}
        onClose={() => setEditing(null)}
        title={isNew ? t("devices.add") : t("devices.editTitle", { aet: editing?.aet })}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        {editing && <DeviceForm device={editing} isNew={isNew} onClose={() => setEditing(null)} />}
      </Modal>
      <Controls device={query.data?.find((one) => one.aet === looking) ?? null} onClose={() => setLooking(null)} />
      <Confirm
        opened={removing !== null}
        onClose={() => setRemoving(null)}
        title={t("devices.removeTitle", { aet: removing?.aet })}
        text={t("devices.removeText")}
        confirm={t("common.remove")}
        danger
        act={async () => {
          if (!removing) return;
          await removeDevice(removing.aet);
          await run(async () => undefined);
          notifyDone(t("devices.removed", { aet: removing.aet }));
        }}
      />
    </AdminList>
  );
}
