import { Group, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import { useTranslation } from "react-i18next";

/** The tab of the browser says where one is. */
export function usePageTitle(page: string): void {
  const { t } = useTranslation();
  useEffect(() => {
    document.title = page ? t("app.pageTitle", { page }) : t("app.name");
  }, [page, t]);
}

interface Props {
  title: string;
  intro?: string;
  side?: ReactNode;
  children: ReactNode;
}

export function Page({ title, intro, side, children }: Props) {
  usePageTitle(title);
  return (
    <div className="page">
      <div className="page-head">
        <div style={{ flex: 1, minWidth: 0 }}>
          <Title order={1}>{title}</Title>
          {intro && (
            <Text size="sm" c="dimmed">
              {intro}
            </Text>
          )}
        </div>
        <Group gap="xs" wrap="nowrap">
          {side}
        </Group>
      </div>
      {children}
    </div>
  );
}
