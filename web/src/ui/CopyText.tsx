import { ActionIcon, CopyButton, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

/** A text that people take elsewhere (a UID, a password), with its button. */
export function CopyText({ value, label, size = 12 }: { value: string; label?: string; size?: number }) {
  const { t } = useTranslation();
  return (
    <span style={{ display: "inline-flex", alignItems: "center", gap: 2, minWidth: 0, maxWidth: "100%" }}>
      <span className="mono clip" style={{ fontSize: size }} title={value}>
        {value}
      </span>
      <CopyButton value={value} timeout={1500}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? t("common.copied") : t("common.copy")}>
            <ActionIcon
              variant="subtle"
              color="gray"
              c="var(--mantine-color-dimmed)"
              size={22}
              aria-label={`${t("common.copy")} ${label ?? ""}`.trim()}
              onClick={copy}
            >
              {copied ? <IconCheck size={13} /> : <IconCopy size={13} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </span>
  );
}
