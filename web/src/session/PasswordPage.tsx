import { Button, Group, PasswordInput, Stack, Text } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate, useSearchParams } from "react-router";
import { changePassword, signOut } from "../api/calls";
import { FormError, notifyDone } from "../ui/errors";
import { Frame } from "./Frame";
import { safeReturn } from "./return";
import { end, passwordChanged, useSession } from "./session";

const LENGTH_MIN = 12;

/** Change one's password: at will from the account menu, and before anything else after a one-time password. */
export function PasswordPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const { account } = useSession();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const forced = account.must_change_password;
  const tooShort = next !== "" && next.length < LENGTH_MIN;
  const differs = again !== "" && again !== next;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (tooShort || next !== again) return;
    setBusy(true);
    setError(null);
    try {
      await changePassword(current, next);
      passwordChanged();
      notifyDone(t("signIn.changed"));
      navigate(safeReturn(params.get("next")), { replace: true });
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  const leave = async () => {
    await signOut().catch(() => undefined);
    end();
  };

  return (
    <Frame title={t("signIn.passwordTitle")}>
      <form onSubmit={submit}>
        <Stack gap="md">
          {forced && <Text c="dimmed">{t("signIn.passwordForced")}</Text>}
          <input type="text" name="username" autoComplete="username" value={account.login} readOnly hidden />
          <PasswordInput
            label={forced ? t("signIn.currentOneTime") : t("signIn.current")}
            autoComplete="current-password"
            required
            withAsterisk={false}
            autoFocus
            value={current}
            onChange={(event) => setCurrent(event.currentTarget.value)}
          />
          <PasswordInput
            label={t("signIn.next")}
            description={t("signIn.nextHint", { count: LENGTH_MIN })}
            autoComplete="new-password"
            required
            withAsterisk={false}
            value={next}
            error={tooShort && t("signIn.tooShort", { count: LENGTH_MIN })}
            onChange={(event) => setNext(event.currentTarget.value)}
          />
          <PasswordInput
            label={t("signIn.repeat")}
            autoComplete="new-password"
            required
            withAsterisk={false}
            value={again}
            error={differs && t("signIn.differs")}
            onChange={(event) => setAgain(event.currentTarget.value)}
          />
          <FormError error={error} />
          <Group justify="flex-end" gap="xs">
            {forced ? (
              <Button variant="default" onClick={leave}>
                {t("account.signOut")}
              </Button>
            ) : (
              <Button variant="default" onClick={() => navigate(-1)}>
                {t("common.cancel")}
              </Button>
            )}
            <Button type="submit" loading={busy}>
              {t("signIn.change")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Frame>
  );
}
