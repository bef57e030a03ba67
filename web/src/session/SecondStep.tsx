import { Button, Divider, Stack, Text, TextInput } from "@mantine/core";
import { IconFingerprint } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "../api/calls";
import { giveSecondFactor } from "../api/signin";
import type { Session } from "../api/types";
import { FormError } from "../ui/errors";
import { askPasskey, hasPasskeys, wasCancelled } from "./passkey";

interface Props {
  kinds: string[];
  onOpened: (session: Session) => void;
  onOver: (reason: unknown) => void;
}

/** What follows the password: a code of the app, a recovery code, or a passkey. */
export function SecondStep({ kinds, onOpened, onOver }: Props) {
  const { t } = useTranslation();
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const give = async (what: () => Promise<Session>) => {
    setBusy(true);
    setError(null);
    try {
      onOpened(await what());
    } catch (reason) {
      if (reason instanceof ApiError && reason.code === "sign-in-over") onOver(reason);
      else if (!wasCancelled(reason)) setError(reason);
      setCode("");
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void give(() => giveSecondFactor({ code: code.trim() }));
  };
  const byPasskey = kinds.includes("passkey") && hasPasskeys();
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {byPasskey && (
          <>
            <Button
              size="md"
              fullWidth
              variant={kinds.includes("totp") ? "default" : "filled"}
              leftSection={<IconFingerprint size={18} aria-hidden />}
              loading={busy}
              onClick={() => void give(async () => giveSecondFactor({ passkey: await askPasskey() }))}
            >
              {t("signIn.usePasskey")}
            </Button>
            <Divider label={t("signIn.or")} />
          </>
        )}
        <TextInput
          size="md"
          label={kinds.includes("totp") ? t("signIn.code") : t("signIn.recoveryCode")}
          description={kinds.includes("totp") ? t("signIn.codeHint") : t("signIn.recoveryHint")}
          inputWrapperOrder={["label", "input", "description", "error"]}
          name="code"
          autoComplete="one-time-code"
          autoCapitalize="none"
          spellCheck={false}
          required
          withAsterisk={false}
          autoFocus={!byPasskey || kinds.includes("totp")}
          minLength={6}
          maxLength={40}
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        <FormError error={error} />
        <Button
          type="submit"
          size="md"
          fullWidth
          loading={busy}
          variant={kinds.includes("totp") ? "filled" : "default"}
        >
          {t("signIn.submit")}
        </Button>
        <Button variant="subtle" color="gray" c="var(--mantine-color-dimmed)" onClick={() => onOver(null)}>
          {t("signIn.startOver")}
        </Button>
        <Text size="xs" c="dimmed">
          {t("signIn.lostFactor")}
        </Text>
      </Stack>
    </form>
  );
}
