/** The four things that a page can be instead of its content: loading, empty, failed, closed to this account. */
import { Button, Center, Loader, Stack, Text, Title } from "@mantine/core";
import { IconCloudOff, IconLock, IconMapSearch } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { ApiError } from "../api/calls";
import type { Permission } from "../api/types";
import { sentenceOf, technicalDetails } from "./errors";

interface NoticeProps {
  icon: ReactNode;
  title: string;
  /** It stands for the whole page. */
  whole?: boolean;
  children?: ReactNode;
}

function Notice({ icon, title, whole, children }: NoticeProps) {
  return (
    <Center p="xl" mih={200} h="100%">
      <Stack align="center" gap={8} maw={440} ta="center">
        <span style={{ color: "var(--mantine-color-dimmed)" }} aria-hidden>
          {icon}
        </span>
        <Title order={whole ? 1 : 2} size="h2">
          {title}
        </Title>
        {children}
      </Stack>
    </Center>
  );
}

export function Loading() {
  const { t } = useTranslation();
  return (
    <Center p="xl" mih={200} h="100%" role="status">
      <Loader size="sm" aria-hidden />
      <span className="hidden-visually">{t("common.loading")}</span>
    </Center>
  );
}

interface EmptyProps {
  icon: ReactNode;
  title: string;
  text?: string;
  action?: ReactNode;
}
export function Empty({ icon, title, text, action }: EmptyProps) {
  return (
    <Notice icon={icon} title={title}>
      {text && <Text c="dimmed">{text}</Text>}
      {action}
    </Notice>
  );
}

/** What failed, in words, with a way to try again; a missing thing and a missing right have their own page. */
export function Failed({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  if (error instanceof ApiError && error.status === 404) return <NotThere />;
  if (error instanceof ApiError && error.status === 403) return <NoRights />;
  return (
    <div role="alert">
      <Notice icon={<IconCloudOff size={36} stroke={1.4} />} title={t("states.errorTitle")}>
        <Text c="dimmed">{sentenceOf(error, t)}</Text>
        {onRetry && (
          <Button mt={6} variant="default" onClick={onRetry}>
            {t("common.retry")}
          </Button>
        )}
        <Text size="xs" c="dimmed" className="mono" mt={6}>
          {technicalDetails(error)}
        </Text>
      </Notice>
    </div>
  );
}

export function NoRights({ permission }: { permission?: Permission }) {
  const { t } = useTranslation();
  return (
    <Notice icon={<IconLock size={36} stroke={1.4} />} title={t("states.noRightsTitle")} whole>
      {permission && <Text c="dimmed">{t("states.noRightsText", { permission: t(`permissions.${permission}`) })}</Text>}
    </Notice>
  );
}

export function NotThere() {
  const { t } = useTranslation();
  return (
    <Notice icon={<IconMapSearch size={36} stroke={1.4} />} title={t("states.notFoundTitle")} whole>
      <Text c="dimmed">{t("states.notFoundText")}</Text>
      <Button component={Link} to="/" mt={6} variant="default">
        {t("states.toExams")}
      </Button>
    </Notice>
  );
}
