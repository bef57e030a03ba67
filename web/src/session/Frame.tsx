import { Group, SegmentedControl, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { isLocale, LOCALES, setLocale } from "../i18n";
import { Logo } from "../shell/Logo";
import { usePageTitle } from "../ui/Page";
import style from "./frame.module.css";

/** The quiet page around the sign-in and the change of password. */
export function Frame({ title, children }: { title: string; children: ReactNode }) {
  const { t, i18n } = useTranslation();
  usePageTitle(title);
  return (
    <div className={style.frame}>
      <main className={style.card}>
        <Stack gap="lg">
          <Group gap={12} wrap="nowrap">
            <Logo size={44} />
            <div>
              <Text fw={700} fz={21} lh={1.2}>
                {t("app.name")}
              </Text>
              <Text size="sm" c="dimmed">
                {t("app.tagline")}
              </Text>
            </div>
          </Group>
          <Title order={1}>{title}</Title>
          {children}
        </Stack>
      </main>
      <footer>
        <SegmentedControl
          size="xs"
          aria-label={t("account.language")}
          value={i18n.language}
          onChange={(value) => isLocale(value) && setLocale(value)}
          data={LOCALES.map((locale) => ({ value: locale, label: locale === "fr" ? "Français" : "English" }))}
        />
      </footer>
    </div>
  );
}
