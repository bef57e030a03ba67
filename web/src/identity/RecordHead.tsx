import { Group, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { Person, PersonRecord } from "../api/identity";
import { instant } from "../format/values";
import { Tag } from "../ui/Tag";
import style from "./identity.module.css";
import { identityWord } from "./words";

/** Whose record it is, how sure its identity is, and what it hangs together with. */
export function RecordHead({ record, person }: { record: PersonRecord; person?: Person }) {
  const { t, i18n } = useTranslation();
  return (
    <div>
      <b className={style.site}>{record.site_name}</b>
      <div className="mono">{[record.id, record.issuer].filter(Boolean).join(" · ")}</div>
      <Group gap={6} mt={4}>
        <Tag tone={record.status === "qualified" ? "ok" : "quiet"}>{identityWord("status", record.status, t)}</Tag>
        {record.flags.map((flag) => (
          <Tag key={flag} tone="warn">
            {identityWord("flag", flag, t)}
          </Tag>
        ))}
        {record.replaced_by && <Tag>{t("identity.replaced")}</Tag>}
      </Group>
      <Text size="xs" c="dimmed" className="num" mt={4}>
        {identityWord("source", record.source.split(":")[0] ?? "", t)} · {instant(record.said_at, i18n.language)}
      </Text>
      {person && person.record_count > 1 && (
        <Link to={`/identity/persons/${person.id}`} className={style.more}>
          {t("identity.otherRecords", { count: person.record_count - 1 })}
        </Link>
      )}
    </div>
  );
}
