import { Alert, Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Navigate, useSearchParams } from "react-router";
import { ApiError, signIn } from "../api/calls";
import { isLocale, setLocale } from "../i18n";
import { FormError } from "../ui/errors";
import { Frame } from "./Frame";
import { safeReturn } from "./return";
import { begin, useSessionQuery } from "./session";

/** Seconds until the next attempt, counted down. */
function useCountdown(): [number, (seconds: number) => void] {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (left <= 0) return undefined;
    const timer = setTimeout(() => setLeft(left - 1), 1000);
    return () => clearTimeout(timer);
  }, [left]);
  return [left, setLeft];
}

export function SignInPage() {
  const { t } = useTranslation();
  const [params] = useSearchParams();
  const { data: session } = useSessionQuery();
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [wait, setWait] = useCountdown();
  const next = safeReturn(params.get("next"));
  if (session) return <Navigate to={next} replace />;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const opened = await signIn(login.trim(), password);
      if (isLocale(opened.account.locale)) setLocale(opened.account.locale);
      begin(opened);
    } catch (reason) {
      setError(reason);
      setPassword("");
      if (reason instanceof ApiError && reason.retryAfterSeconds) setWait(Math.ceil(reason.retryAfterSeconds));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Frame title={t("signIn.title")}>
      <form onSubmit={submit}>
        <Stack gap="md">
          {params.get("next") && !error && (
            <Alert variant="light" p="xs">
              <Text size="sm">{t("signIn.again")}</Text>
            </Alert>
          )}
          <TextInput
            size="md"
            label={t("signIn.login")}
            name="login"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            required
            withAsterisk={false}
            autoFocus
            value={login}
            onChange={(event) => setLogin(event.currentTarget.value)}
          />
          <PasswordInput
            size="md"
            label={t("signIn.password")}
            name="password"
            autoComplete="current-password"
            required
            withAsterisk={false}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          <FormError error={error} />
          {wait > 0 && (
            <Text size="sm" c="dimmed">
              {t("signIn.waitSeconds", { count: wait })}
            </Text>
          )}
          <Button type="submit" size="md" fullWidth loading={busy} disabled={wait > 0}>
            {t("signIn.submit")}
          </Button>
          <Text size="xs" c="dimmed">
            {t("signIn.forgotten")}
          </Text>
        </Stack>
      </form>
    </Frame>
  );
}
