import { ActionIcon, Button, Divider, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { changeAccount } from "../api/calls";
import { linkIdentity, listIdentities, readWays, resetSecondFactors, unlinkIdentity } from "../api/signin";
import type { Account } from "../api/types";
import { Confirm } from "../ui/Confirm";
import { FormError, notifyDone } from "../ui/errors";
import { Tag } from "../ui/Tag";
import { useChange } from "./useChange";

const RPPS = /^([0-9]{11})?$/;

/** The number by which a provider's professional finds the account. */
function Rpps({ account }: { account: Account }) {
  const { t } = useTranslation();
  const { busy, error, run } = useChange("accounts");
  const [rpps, setRpps] = useState(account.rpps ?? "");
  const bad = !RPPS.test(rpps);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!bad && (await run(() => changeAccount(account.login, { rpps: rpps || null })))) notifyDone(t("common.saved"));
  };
  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="xs" wrap="nowrap">
        <TextInput
          style={{ flex: 1 }}
          label={t("access.rpps")}
          inputMode="numeric"
          maxLength={11}
          value={rpps}
          error={rpps.length === 11 && bad && t("errors.code.rpps")}
          onChange={(event) => setRpps(event.currentTarget.value.trim())}
        />
        <Button type="submit" variant="default" loading={busy} disabled={bad}>
          {t("common.save")}
        </Button>
      </Group>
      <Text size="xs" c="dimmed" mt={4}>
        {t("access.rppsHint")}
      </Text>
      <FormError error={error} />
    </form>
  );
}

/** Who signs in as this account through a provider. */
function Identities({ account }: { account: Account }) {
  const { t, i18n } = useTranslation();
  const key = `identities-${account.login}`;
  const { data: ways } = useQuery({ queryKey: ["ways"], queryFn: ({ signal }) => readWays(signal) });
  const { data: linked } = useQuery({
    queryKey: [key],
    queryFn: ({ signal }) => listIdentities(account.login, signal),
  });
  const { busy, error, run } = useChange(key);
  const [provider, setProvider] = useState<string | null>(null);
  const [subject, setSubject] = useState("");
  const providers = (ways?.providers ?? []).map((one) => ({
    value: one.id,
    label: i18n.language === "fr" ? one.label_fr : one.label_en,
  }));
  const nameOf = (id: string) => providers.find((one) => one.value === id)?.label ?? id;
  const chosen = provider ?? providers[0]?.value ?? "";
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await run(() => linkIdentity(account.login, { provider: chosen, subject: subject.trim() }))) setSubject("");
  };
  if (!providers.length && !linked?.length) return null;
  return (
    <Stack gap="xs">
      <Divider label={t("access.identities")} labelPosition="left" />
      {(linked ?? []).map((one) => (
        <Group key={`${one.provider} ${one.subject}`} gap="xs" wrap="nowrap">
          <div style={{ flex: 1, minWidth: 0 }}>
            <Text size="sm">{nameOf(one.provider)}</Text>
            <span className="mono clip" style={{ display: "block" }}>
              {one.subject}
            </span>
          </div>
          <ActionIcon
            variant="subtle"
            color="gray"
            c="var(--mantine-color-dimmed)"
            aria-label={t("access.unlink", { subject: one.subject })}
            onClick={() => void run(() => unlinkIdentity(account.login, one))}
          >
            <IconTrash size={17} />
          </ActionIcon>
        </Group>
      ))}
      {linked?.length === 0 && (
        <Text size="sm" c="dimmed">
          {t("access.noIdentity")}
        </Text>
      )}
      {providers.length > 0 && (
        <form onSubmit={submit}>
          <Group align="flex-end" gap="xs">
            <Select
              w={160}
              label={t("access.provider")}
              allowDeselect={false}
              data={providers}
              value={chosen}
              onChange={setProvider}
            />
            <TextInput
              style={{ flex: "1 1 160px" }}
              label={t("access.subject")}
              required
              withAsterisk={false}
              maxLength={255}
              value={subject}
              onChange={(event) => setSubject(event.currentTarget.value)}
            />
            <Button type="submit" variant="default" loading={busy}>
              {t("access.link")}
            </Button>
          </Group>
        </form>
      )}
      <FormError error={error} />
    </Stack>
  );
}

/** How a person signs in: second factors, number, identities. */
export function AccountAccess({ account, onClose }: { account: Account | null; onClose: () => void }) {
  const { t } = useTranslation();
  const [resetting, setResetting] = useState(false);
  const { run } = useChange("accounts");
  return (
    <>
      <Modal
        opened={account !== null && !resetting}
        onClose={onClose}
        title={t("access.title", { login: account?.login })}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        {account && (
          <Stack gap="md">
            <Group justify="space-between">
              <Tag tone={account.second_factor ? "ok" : "quiet"}>
                {account.second_factor ? t("access.hasFactor") : t("access.noFactor")}
              </Tag>
              {account.second_factor && (
                <Button variant="default" onClick={() => setResetting(true)}>
                  {t("access.reset")}
                </Button>
              )}
            </Group>
            <Rpps account={account} />
            <Identities account={account} />
          </Stack>
        )}
      </Modal>
      <Confirm
        opened={resetting}
        onClose={() => setResetting(false)}
        title={t("access.resetTitle", { login: account?.login })}
        text={t("access.resetText")}
        confirm={t("access.reset")}
        danger
        act={async () => {
          if (account) await resetSecondFactors(account.login);
          notifyDone(t("access.resetDone"));
          await run(async () => undefined);
          onClose();
        }}
      />
    </>
  );
}
