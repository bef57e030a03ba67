import { Code, Group, Spoiler, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import { ApiError } from "../api/calls";
import { i18next } from "../i18n";

/** The sentence for a code of the platform, else for its kind. The platform's own sentence is never shown as ours. */
export function sentenceOf(error: unknown, t: TFunction): string {
  if (!(error instanceof ApiError)) return t("errors.kind.unknown");
  const byCode = `errors.code.${error.code}`;
  if (i18next.exists(byCode)) return t(byCode as never);
  const byKind = `errors.kind.${error.kind}`;
  return i18next.exists(byKind) ? t(byKind as never) : t("errors.kind.unknown");
}

/** The sentence for a reason given as a bare code; an unknown reason is shown as it came. */
export function reasonText(code: string | null | undefined, t: TFunction): string {
  if (!code) return "";
  return i18next.exists(`errors.code.${code}`) ? t(`errors.code.${code}` as never) : code;
}

export function technicalDetails(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  return [error.kind, error.code, error.field, error.publicMessage, error.requestId].filter(Boolean).join(" · ");
}

export function notifyError(error: unknown): void {
  notifications.show({
    color: "red",
    message: sentenceOf(error, i18next.t),
    autoClose: 8000,
    withBorder: true,
  });
}

export function notifyDone(message: string): void {
  notifications.show({ color: "lagoon", message, withBorder: true });
}

/** An error inside a form or a panel. */
export function FormError({ error }: { error: unknown }) {
  const { t } = useTranslation();
  if (!error) return null;
  return (
    <Group role="alert" gap={8} p="8px 10px" style={{ background: "var(--app-danger-soft)", borderRadius: 6 }}>
      <Text size="sm" c="var(--app-danger)" fw={550}>
        {sentenceOf(error, t)}
      </Text>
      <Spoiler maxHeight={0} showLabel={t("common.details")} hideLabel={t("common.close")} fz="xs">
        <Code fz={11}>{technicalDetails(error)}</Code>
      </Spoiler>
    </Group>
  );
}
