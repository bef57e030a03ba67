import { Anchor, Group, Modal, Stack, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";

const KEYS = [
  { keys: ["/"], text: "search" },
  { keys: ["?"], text: "help" },
  { keys: ["g", "e"], text: "goExams" },
  { keys: ["g", "u"], text: "goUpload" },
  { keys: ["g", "c"], text: "goConflicts" },
  { keys: ["↑", "↓"], text: "rows" },
  { keys: ["Enter"], text: "open" },
  { keys: ["v"], text: "viewer" },
  { keys: ["Esc"], text: "close" },
] as const;

export function Help({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t("help.title")}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <Stack gap={8}>
        {KEYS.map(({ keys, text }) => (
          <Group key={text} justify="space-between">
            <Text size="sm">{t(`help.${text}`)}</Text>
            <Group gap={5}>
              {keys.map((key, index) => (
                <Group key={key} gap={5}>
                  {index > 0 && keys[0] === "g" && (
                    <Text size="xs" c="dimmed">
                      {t("help.followedBy")}
                    </Text>
                  )}
                  <kbd>{key}</kbd>
                </Group>
              ))}
            </Group>
          </Group>
        ))}
        <Text size="xs" c="dimmed" mt={6}>
          {t("help.note")}
        </Text>
        <Anchor component={Link} to="/guide" size="sm" onClick={onClose}>
          {t("help.guide")}
        </Anchor>
      </Stack>
    </Modal>
  );
}
