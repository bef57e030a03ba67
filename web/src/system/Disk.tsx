import { Alert, Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { SystemState } from "../api/types";
import { percent, size } from "../format/values";
import style from "./system.module.css";

const LOW = 0.1;

/** How full the data folder's disk is, and with what. */
export function Disk({ disk, database, blobs }: { disk: SystemState["disk"]; database: string; blobs: string }) {
  const { t, i18n } = useTranslation();
  const total = Math.max(1, disk.data_total_bytes);
  const used = total - disk.data_free_bytes;
  const other = Math.max(0, used - Math.max(0, disk.blobs_bytes) - disk.database_bytes);
  const parts = [
    { name: t("system.diskBlobs"), bytes: disk.blobs_bytes, colour: "var(--app-accent)" },
    { name: t("system.diskDatabase"), bytes: disk.database_bytes, colour: "var(--app-violet)" },
    { name: t("system.diskOther"), bytes: other, colour: "var(--mantine-color-gray-5)" },
  ];
  const text = t("system.diskUsed", { used: size(used, i18n.language), total: size(total, i18n.language) });
  return (
    <section className={`panel ${style.card}`}>
      <header>
        <Group justify="space-between">
          <h2>{t("system.disk")}</h2>
          <Text size="sm" className="num">
            {text} · {t("system.diskFree", { free: size(disk.data_free_bytes, i18n.language) })}
          </Text>
        </Group>
      </header>
      <div style={{ padding: "4px 14px 14px" }}>
        <div className={style.gauge} role="img" aria-label={`${text}, ${percent(used / total, i18n.language)}`}>
          {parts.map((part) => (
            <span
              key={part.name}
              style={{ width: `${(100 * Math.max(0, part.bytes)) / total}%`, background: part.colour }}
            />
          ))}
        </div>
        <Group gap="lg" mt={10}>
          {parts.map((part) => (
            <span key={part.name} className={style.key}>
              <i style={{ background: part.colour }} />
              {part.name} <span className="num">{size(part.bytes, i18n.language)}</span>
            </span>
          ))}
        </Group>
        <Text size="xs" c="dimmed" mt={8}>
          {t("system.storedIn", { database, blobs })}
        </Text>
        {disk.data_free_bytes / total < LOW && (
          <Alert color="orange" variant="light" mt="sm" p="xs">
            {t("system.diskLow")}
          </Alert>
        )}
      </div>
    </section>
  );
}
