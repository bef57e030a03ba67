import { Alert, Button, CopyButton, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

/** Shown once: they are closed on purpose. */
export function RecoveryCodes({ codes, onKept }: { codes: string[]; onKept: () => void }) {
  const { t } = useTranslation();
  return (
    <Stack gap="md">
      <Alert variant="light" title={t("factors.recoveryTitle")}>
        <Text size="sm">{t("factors.recoveryText")}</Text>
      </Alert>
      <SimpleGrid
        cols={{ base: 1, xs: 2 }}
        spacing={6}
        component="ul"
        style={{ listStyle: "none", margin: 0, padding: 0 }}
      >
        {codes.map((code) => (
          <li key={code} className="mono" style={{ fontSize: 14 }}>
            {code}
          </li>
        ))}
      </SimpleGrid>
      <Group justify="space-between" gap="xs">
        <CopyButton value={codes.join("\n")} timeout={1500}>
          {({ copied, copy }) => (
            <Button
              variant="default"
              leftSection={copied ? <IconCheck size={16} aria-hidden /> : <IconCopy size={16} aria-hidden />}
              onClick={copy}
            >
              {copied ? t("common.copied") : t("factors.copyAll")}
            </Button>
          )}
        </CopyButton>
        <Button onClick={onKept}>{t("factors.kept")}</Button>
      </Group>
    </Stack>
  );
}
