import { Alert, Button, Divider, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { IconFingerprint, IconLogin2 } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Navigate, useSearchParams } from "react-router";
import { ApiError } from "../api/calls";
import { giveUp, readWays, signIn, signInByPasskey, startAddress, type Ways } from "../api/signin";
import type { Session } from "../api/types";
import { isLocale, setLocale } from "../i18n";
import { CopyText } from "../ui/CopyText";
import { FormError } from "../ui/errors";
import { Frame } from "./Frame";
import { askPasskey, hasPasskeys, wasCancelled } from "./passkey";
import { safeReturn } from "./return";
import { SecondStep } from "./SecondStep";
import { begin, useSessionQuery } from "./session";

const WAYS = ["ways"];

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

/** What a provider's answer came to, when it opened nothing. */
function Problem({ code, ways }: { code: string; ways: Ways | undefined }) {
  const { t } = useTranslation();
  return (
    <Stack gap="xs">
      <FormError error={new ApiError("not_allowed", code, 403)} />
      {code === "no-linked-account" && ways?.stranger && (
        <Text size="sm" component="div">
          {t("signIn.strangerText")}
          <CopyText value={`${ways.stranger.provider} ${ways.stranger.subject}`} label={t("signIn.identity")} />
        </Text>
      )}
    </Stack>
  );
}

/** The other ways in: a passkey, and the providers of identities. */
function OtherWays({ ways, next, onOpened, onError }: OtherProps) {
  const { t, i18n } = useTranslation();
  const [busy, setBusy] = useState(false);
  const byPasskey = ways.passkeys && hasPasskeys();
  if (!byPasskey && !ways.providers.length) return null;
  const use = async () => {
    setBusy(true);
    onError(null);
    try {
      onOpened(await signInByPasskey(await askPasskey()));
    } catch (reason) {
      if (!wasCancelled(reason)) onError(reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack gap="xs">
      <Divider label={t("signIn.or")} />
      {ways.providers.map((one) => (
        <Button
          key={one.id}
          component="a"
          href={startAddress(one.id, next)}
          size="md"
          fullWidth
          variant="default"
          leftSection={<IconLogin2 size={18} aria-hidden />}
        >
          {i18n.language === "fr" ? one.label_fr : one.label_en}
        </Button>
      ))}
      {byPasskey && (
        <Button
          size="md"
          fullWidth
          variant="default"
          leftSection={<IconFingerprint size={18} aria-hidden />}
          loading={busy}
          onClick={() => void use()}
        >
          {t("signIn.byPasskey")}
        </Button>
      )}
    </Stack>
  );
}

interface OtherProps {
  ways: Ways;
  next: string;
  onOpened: (session: Session) => void;
  onError: (reason: unknown) => void;
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
  const problem = params.get("problem") ?? "";
  const client = useQueryClient();
  const { data: ways } = useQuery({ queryKey: WAYS, queryFn: ({ signal }) => readWays(signal), staleTime: 0 });
  if (session) return <Navigate to={next} replace />;

  const opened = (to: Session) => {
    if (isLocale(to.account.locale)) setLocale(to.account.locale);
    begin(to);
  };
  const startOver = async (reason: unknown) => {
    setError(reason);
    await giveUp().catch(() => undefined);
    await client.invalidateQueries({ queryKey: WAYS });
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const answer = await signIn(login.trim(), password);
      if ("account" in answer) return opened(answer);
      setPassword("");
      client.setQueryData<Ways>(WAYS, (now) => now && { ...now, second_factor: answer.second_factor });
    } catch (reason) {
      setError(reason);
      setPassword("");
      if (reason instanceof ApiError && reason.retryAfterSeconds) setWait(Math.ceil(reason.retryAfterSeconds));
    } finally {
      setBusy(false);
    }
  };

  if (ways?.second_factor.length)
    return (
      <Frame title={t("signIn.secondTitle")}>
        <SecondStep kinds={ways.second_factor} onOpened={opened} onOver={(reason) => void startOver(reason)} />
      </Frame>
    );
  return (
    <Frame title={t("signIn.title")}>
      <form onSubmit={submit}>
        <Stack gap="md">
          {problem && !error && <Problem code={problem} ways={ways} />}
          {params.get("next") && !problem && !error && (
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
          {ways && <OtherWays ways={ways} next={next} onOpened={opened} onError={setError} />}
          <Text size="xs" c="dimmed">
            {t("signIn.forgotten")}
          </Text>
        </Stack>
      </form>
    </Frame>
  );
}
