import { Alert, Button, Group, Menu, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconKey, IconUsers } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { TFunction } from "i18next";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { addAccount, changeAccount, listAccounts, listRoles, resetPassword } from "../api/calls";
import type { Account } from "../api/types";
import { useSites } from "../exams/Filters";
import { instant, number } from "../format/values";
import { i18next } from "../i18n";
import { useSession } from "../session/session";
import { Confirm } from "../ui/Confirm";
import { CopyText } from "../ui/CopyText";
import type { Column } from "../ui/DataTable";
import { FormError, notifyDone, notifyError } from "../ui/errors";
import { Tag } from "../ui/Tag";
import { AccountAccess } from "./AccountAccess";
import { AdminList } from "./AdminList";
import { RowMenu } from "./RowMenu";
import { useChange } from "./useChange";

const LOGIN = /^[A-Za-z0-9]([A-Za-z0-9._@+-]{0,62}[A-Za-z0-9])?$/;
const NEW: Account = {
  login: "",
  name: "",
  role: "radiologist",
  site_id: null,
  active: true,
  last_sign_in_at: null,
  must_change_password: true,
  rpps: null,
  second_factor: false,
};

export const roleName = (role: string, t: TFunction): string =>
  i18next.exists(`roles.${role}`) ? t(`roles.${role}` as never) : role;

interface Given {
  login: string;
  password: string;
}

function useRoles() {
  const { data } = useQuery({ queryKey: ["roles"], queryFn: ({ signal }) => listRoles(signal), staleTime: 300_000 });
  return data ?? [];
}

interface FormProps {
  account: Account;
  isNew: boolean;
  onClose: () => void;
  onGiven: (given: Given) => void;
}

function AccountForm({ account, isNew, onClose, onGiven }: FormProps) {
  const { t } = useTranslation();
  const sites = useSites();
  const roles = useRoles();
  const { account: own } = useSession();
  const { busy, error, run } = useChange("accounts");
  const [draft, setDraft] = useState({ ...account, site_id: account.site_id || own.site_id || (sites[0]?.id ?? null) });
  const [tried, setTried] = useState(false);
  const set = (change: Partial<Account>) => setDraft({ ...draft, ...change });
  const badLogin = !LOGIN.test(draft.login);
  const permissions = roles.find((role) => role.role === draft.role)?.permissions ?? [];
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (badLogin || !draft.name.trim()) return;
    const { login, name, role, site_id } = draft;
    const done = await run(async () => {
      if (!isNew) return changeAccount(login, { name: name.trim(), role, site_id });
      const added = await addAccount({ login, name: name.trim(), role, site_id });
      return onGiven({ login, password: added.one_time_password });
    });
    if (!done) return;
    if (!isNew) notifyDone(t("common.saved"));
    onClose();
  };
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack gap="sm">
        <TextInput
          label={t("accounts.name")}
          data-autofocus
          value={draft.name}
          error={tried && !draft.name.trim() && t("common.required")}
          onChange={(event) => set({ name: event.currentTarget.value })}
        />
        <TextInput
          label={t("accounts.login")}
          description={isNew ? t("accounts.loginHint") : undefined}
          disabled={!isNew}
          autoCapitalize="none"
          value={draft.login}
          error={tried && badLogin && t("accounts.badLogin")}
          onChange={(event) => set({ login: event.currentTarget.value })}
        />
        <Select
          label={t("accounts.role")}
          allowDeselect={false}
          data={roles.map(({ role }) => ({ value: role, label: roleName(role, t) }))}
          value={draft.role}
          onChange={(role) => role && set({ role })}
        />
        <Select
          label={t("accounts.site")}
          allowDeselect={false}
          data={sites.map((site) => ({ value: site.id, label: site.name }))}
          value={draft.site_id || null}
          onChange={(site) => site && set({ site_id: site })}
        />
        {permissions.length > 0 && (
          <Text size="xs" c="dimmed">
            {t("accounts.permissionsOf")} {permissions.map((permission) => t(`permissions.${permission}`)).join(", ")}.
          </Text>
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

/** Shown once; it has to be closed on purpose. */
function OneTimePassword({ given, onClose }: { given: Given | null; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      opened={given !== null}
      onClose={onClose}
      closeOnClickOutside={false}
      title={t("accounts.oneTimeTitle", { login: given?.login })}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <Stack>
        <Alert variant="light" icon={<IconKey size={18} aria-hidden />}>
          <CopyText value={given?.password ?? ""} label={t("signIn.currentOneTime")} size={18} />
        </Alert>
        <Text size="sm">{t("accounts.oneTimeText")}</Text>
        <Group justify="flex-end">
          <Button onClick={onClose}>{t("common.close")}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}

interface Acts {
  onEdit: (account: Account) => void;
  onReset: (account: Account) => void;
  onAccess: (account: Account) => void;
}

function useAccountColumns({ onEdit, onReset, onAccess }: Acts): Column<Account>[] {
  const { t, i18n } = useTranslation();
  const sites = useSites();
  const { run } = useChange("accounts");
  const siteName = (id: string | null) => sites.find((site) => site.id === id)?.name ?? id;
  return [
    {
      key: "name",
      header: t("accounts.name"),
      cell: (account) => (
        <>
          <b style={{ fontWeight: 600 }}>{account.name}</b>
          <span className="mono" style={{ display: "block", color: "var(--mantine-color-dimmed)" }}>
            {account.login}
          </span>
        </>
      ),
    },
    { key: "role", header: t("accounts.role"), cell: (account) => roleName(account.role, t) },
    { key: "site", header: t("accounts.site"), cell: (account) => siteName(account.site_id) },
    {
      key: "seen",
      header: t("accounts.lastSignIn"),
      cell: (account) => (
        <span className="num" style={{ whiteSpace: "nowrap" }}>
          {instant(account.last_sign_in_at, i18n.language) || t("accounts.never")}
        </span>
      ),
    },
    {
      key: "state",
      header: t("common.state"),
      cell: (account) => (
        <Group gap={6}>
          <Tag tone={account.active ? "ok" : "quiet"}>{account.active ? t("common.active") : t("common.disabled")}</Tag>
          {account.must_change_password && account.active && <Tag tone="warn">{t("accounts.mustChange")}</Tag>}
          {account.second_factor && <Tag tone="info">{t("access.hasFactor")}</Tag>}
        </Group>
      ),
    },
    {
      key: "actions",
      header: <span className="hidden-visually">{t("common.actions")}</span>,
      width: 44,
      tight: true,
      cell: (account) => (
        <RowMenu label={t("accounts.rowActions", { login: account.login })}>
          <Menu.Item onClick={() => onEdit(account)}>{t("common.edit")}</Menu.Item>
          <Menu.Item onClick={() => onReset(account)}>{t("accounts.reset")}</Menu.Item>
          <Menu.Item onClick={() => onAccess(account)}>{t("access.menu")}</Menu.Item>
          <Menu.Item
            onClick={() => void run(() => changeAccount(account.login, { active: !account.active }).catch(notifyError))}
          >
            {account.active ? t("common.disable") : t("common.enable")}
          </Menu.Item>
        </RowMenu>
      ),
    },
  ];
}

export function AccountsPage() {
  const { t, i18n } = useTranslation();
  const query = useQuery({ queryKey: ["accounts"], queryFn: ({ signal }) => listAccounts(signal) });
  const [editing, setEditing] = useState<Account | null>(null);
  const [resetting, setResetting] = useState<Account | null>(null);
  const [opened, setOpened] = useState("");
  const [given, setGiven] = useState<Given | null>(null);
  const { run } = useChange("accounts");
  const isNew = editing?.login === "";
  return (
    <AdminList
      title={t("accounts.title")}
      intro={t("accounts.intro")}
      add={t("accounts.add")}
      onAdd={() => setEditing(NEW)}
      query={query}
      columns={useAccountColumns({
        onEdit: setEditing,
        onReset: setResetting,
        onAccess: ({ login }) => setOpened(login),
      })}
      rowKey={(account) => account.login}
      text={(account) => `${account.login} ${account.name} ${roleName(account.role, t)} ${account.site_id ?? ""}`}
      search={t("accounts.search")}
      count={(rows) => t("accounts.count", { count: rows.length, formatted: number(rows.length, i18n.language) })}
      look={(account) => ({ muted: !account.active })}
      empty={{
        icon: <IconUsers size={36} stroke={1.4} />,
        title: t("accounts.emptyTitle"),
        text: t("accounts.emptyText"),
      }}
    >
      <Modal
        opened={editing !== null}
        onClose={() => setEditing(null)}
        title={isNew ? t("accounts.add") : t("accounts.editTitle", { login: editing?.login })}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        {editing && <AccountForm account={editing} isNew={isNew} onClose={() => setEditing(null)} onGiven={setGiven} />}
      </Modal>
      <Confirm
        opened={resetting !== null}
        onClose={() => setResetting(null)}
        title={t("accounts.resetTitle", { login: resetting?.login })}
        text={t("accounts.resetText")}
        confirm={t("accounts.reset")}
        danger
        act={async () => {
          if (!resetting) return;
          const { one_time_password } = await resetPassword(resetting.login);
          setGiven({ login: resetting.login, password: one_time_password });
          await run(async () => undefined);
        }}
      />
      <AccountAccess account={query.data?.find((one) => one.login === opened) ?? null} onClose={() => setOpened("")} />
      <OneTimePassword given={given} onClose={() => setGiven(null)} />
    </AdminList>
  );
}
