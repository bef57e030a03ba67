import { Button, Group, Image, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { confirmPasskey, confirmTotp, type Enrolment } from "../api/signin";
import { CopyText } from "../ui/CopyText";
import { FormError } from "../ui/errors";
import { makePasskey, wasCancelled } from "./passkey";

const NAME_LENGTH_MAX = 60;

interface Props {
  enrolment: Enrolment | null;
  onAdded: (codes: string[]) => void;
  onCancel: () => void;
}

/** An authenticator app when there is an enrolment to show, else a passkey. */
export function AddFactor({ enrolment, onAdded, onCancel }: Props) {
  const { t } = useTranslation();
  const [name, setName] = useState(enrolment ? t("factors.appName") : t("factors.passkeyName"));
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const added = enrolment ? await confirmTotp(code, name) : await confirmPasskey(await makePasskey(), name);
      onAdded(added.recovery_codes);
    } catch (reason) {
      if (!wasCancelled(reason)) setError(reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {enrolment ? (
          <>
            <Text size="sm">{t("factors.scan")}</Text>
            <Image
              src={`data:image/svg+xml,${encodeURIComponent(enrolment.picture)}`}
              alt={t("factors.picture")}
              w={200}
              h={200}
              mx="auto"
              radius="md"
            />
            <Text size="xs" c="dimmed" component="div">
              {t("factors.orType")}
              <CopyText value={enrolment.secret} label={t("factors.secret")} />
            </Text>
            <TextInput
              label={t("factors.code")}
              name="code"
              inputMode="numeric"
              autoComplete="one-time-code"
              required
              withAsterisk={false}
              minLength={6}
              maxLength={7}
              autoFocus
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
            />
          </>
        ) : (
          <Text size="sm">{t("factors.passkeyText")}</Text>
        )}
        <TextInput
          label={t("factors.name")}
          description={t("factors.nameHint")}
          name="name"
          required
          withAsterisk={false}
          maxLength={NAME_LENGTH_MAX}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <FormError error={error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onCancel}>
            {t("common.cancel")}
          </Button>
          <Button type="submit" loading={busy}>
            {enrolment ? t("factors.confirmApp") : t("factors.makePasskey")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
