import { Button, Checkbox, Group, Menu, Modal, MultiSelect, Select, SimpleGrid, Stack, TextInput } from "@mantine/core";
import { IconBuildingHospital } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { TFunction } from "i18next";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { addSite, changeSite, listRoles, listSites } from "../api/calls";
import type { Site } from "../api/types";
import { number } from "../format/values";
import { i18next } from "../i18n";
import type { Column } from "../ui/DataTable";
import { FormError, notifyDone, notifyError } from "../ui/errors";
import { Tag } from "../ui/Tag";
import { roleName } from "./AccountsPage";
import { AdminList } from "./AdminList";
import { RowMenu } from "./RowMenu";
import { useChange } from "./useChange";

const SERVICES = ["archive", "teleradiology", "dose", "screening", "distribution", "postprocessing", "backup"];
const KINDS = ["hospital", "practice", "screening_centre", "other"] as const;
const SITE_ID = /^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$/;
const NEW: Site = {
  id: "",
  name: "",
  kind: "hospital",
  issuer: "",
  services: ["archive"],
  second_factor_roles: [],
  active: true,
};

function serviceName(code: string, t: TFunction): string {
  return i18next.exists(`sites.service.${code}`)
    ? t(`sites.service.${code}` as never)
    : t("sites.service.other", { code });
}

const kindName = (code: string, t: TFunction): string =>
  i18next.exists(`sites.kinds.${code}`) ? t(`sites.kinds.${code}` as never) : code;

function SiteForm({ site, isNew, onClose }: { site: Site; isNew: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const { busy, error, run } = useChange("sites");
  const [draft, setDraft] = useState(site);
  const [tried, setTried] = useState(false);
  const set = (change: Partial<Site>) => setDraft({ ...draft, ...change });
  const badId = !SITE_ID.test(draft.id);
  const { data: roles = [] } = useQuery({ queryKey: ["roles"], queryFn: ({ signal }) => listRoles(signal) });
  const services = [...new Set([...SERVICES, ...site.services])];
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (badId || !draft.name.trim()) return;
    const { id, active: _, ...change } = draft;
    if (!(await run(() => (isNew ? addSite({ id, ...change }) : changeSite(id, change))))) return;
    notifyDone(isNew ? t("sites.added", { name: draft.name }) : t("common.saved"));
    onClose();
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        <TextInput
          label={t("sites.name")}
          data-autofocus
          value={draft.name}
          error={tried && !draft.name.trim() && t("common.required")}
          onChange={(event) => set({ name: event.currentTarget.value })}
        />
        <Group grow align="flex-start">
          <TextInput
            label={t("sites.id")}
            description={t("sites.idHint")}
            inputWrapperOrder={["label", "input", "description", "error"]}
            disabled={!isNew}
            value={draft.id}
            error={tried && badId && t("errors.code.site-id")}
            onChange={(event) => set({ id: event.currentTarget.value })}
          />
          <Select
            label={t("sites.kind")}
            allowDeselect={false}
            data={KINDS.map((kind) => ({ value: kind, label: kindName(kind, t) }))}
            value={draft.kind}
            onChange={(kind) => kind && set({ kind })}
          />
        </Group>
        <TextInput
          label={t("sites.issuer")}
          description={t("sites.issuerHint")}
          value={draft.issuer ?? ""}
          onChange={(event) => set({ issuer: event.currentTarget.value })}
        />
        <Checkbox.Group
          label={t("sites.services")}
          value={draft.services}
          onChange={(chosen) => set({ services: chosen })}
        >
          <SimpleGrid cols={2} spacing={8} mt={6}>
            {services.map((code) => (
              <Checkbox key={code} size="sm" value={code} label={serviceName(code, t)} />
            ))}
          </SimpleGrid>
        </Checkbox.Group>
        <MultiSelect
          label={t("sites.secondFactor")}
          description={t("sites.secondFactorHint")}
          placeholder={draft.second_factor_roles.length ? undefined : t("sites.secondFactorNone")}
          data={roles.map(({ role }) => ({ value: role, label: roleName(role, t) }))}
          value={draft.second_factor_roles}
          onChange={(chosen) => set({ second_factor_roles: chosen })}
        />
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

/** The services of a site, switched one by one in the row. */
function Services({ site }: { site: Site }) {
  const { t } = useTranslation();
  const { busy, run } = useChange("sites");
  const toggle = async (code: string) => {
    const services = site.services.includes(code)
      ? site.services.filter((one) => one !== code)
      : [...site.services, code];
    await run(() => changeSite(site.id, { services }).catch(notifyError));
  };
  return (
    <div style={{ display: "grid", gridTemplateColumns: "repeat(auto-fill, minmax(120px, 1fr))", gap: "9px 8px" }}>
      {[...new Set([...SERVICES, ...site.services])].map((code) => (
        <Checkbox
          key={code}
          size="xs"
          disabled={busy}
          checked={site.services.includes(code)}
          label={serviceName(code, t)}
          aria-label={t("sites.switchOn", { service: serviceName(code, t), site: site.name })}
          onChange={() => void toggle(code)}
        />
      ))}
    </div>
  );
}

function useSiteColumns(onEdit: (site: Site) => void): Column<Site>[] {
  const { t } = useTranslation();
  const { run } = useChange("sites");
  return [
    {
      key: "name",
      header: t("sites.name"),
      cell: (site) => (
        <>
          <b style={{ fontWeight: 600, whiteSpace: "nowrap" }}>{site.name}</b>
          <br />
          <span className="mono" style={{ color: "var(--mantine-color-dimmed)" }}>
            {site.id}
          </span>
        </>
      ),
    },
    { key: "kind", header: t("sites.kind"), cell: (site) => kindName(site.kind, t) },
    { key: "issuer", header: t("sites.issuer"), cell: (site) => <span className="mono">{site.issuer}</span> },
    { key: "services", header: t("sites.services"), width: "45%", cell: (site) => <Services site={site} /> },
    {
      key: "state",
      header: t("common.state"),
      width: 100,
      cell: (site) => (
        <Tag tone={site.active ? "ok" : "quiet"}>{site.active ? t("common.active") : t("common.disabled")}</Tag>
      ),
    },
    {
      key: "actions",
      header: <span className="hidden-visually">{t("common.actions")}</span>,
      width: 44,
      tight: true,
      cell: (site) => (
        <RowMenu label={t("sites.rowActions", { name: site.name })}>
          <Menu.Item onClick={() => onEdit(site)}>{t("common.edit")}</Menu.Item>
          <Menu.Item onClick={() => void run(() => changeSite(site.id, { active: !site.active }).catch(notifyError))}>
            {site.active ? t("common.disable") : t("common.enable")}
          </Menu.Item>
        </RowMenu>
      ),
    },
  ];
}

export function SitesPage() {
  const { t, i18n } = useTranslation();
  const query = useQuery({ queryKey: ["sites"], queryFn: ({ signal }) => listSites(signal) });
  const [editing, setEditing] = useState<Site | null>(null);
  const isNew = editing?.id === "";
  return (
    <AdminList
      title={t("sites.title")}
      intro={t("sites.intro")}
      add={t("sites.add")}
      onAdd={() => setEditing(NEW)}
      query={query}
      columns={useSiteColumns(setEditing)}
      rowKey={(site) => site.id}
      count={(rows) => t("sites.count", { count: rows.length, formatted: number(rows.length, i18n.language) })}
      look={(site) => ({ muted: !site.active })}
      empty={{
        icon: <IconBuildingHospital size={36} stroke={1.4} />,
        title: t("sites.emptyTitle"),
        text: t("sites.emptyText"),
      }}
    >
      <Modal
        opened={editing !== null}
        onClose={() => setEditing(null)}
        size="lg"
        title={isNew ? t("sites.add") : t("sites.editTitle", { name: editing?.name })}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        {editing && <SiteForm site={editing} isNew={isNew} onClose={() => setEditing(null)} />}
      </Modal>
    </AdminList>
  );
}
