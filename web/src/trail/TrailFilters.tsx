import { Button, Group, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSites } from "../exams/Filters";
import { en } from "../i18n/en";
import { DayInput } from "../ui/DayInput";
import { actionOf, type Field, type Wanted } from "./query";

const TYPING_MS = 400;
const OUTCOMES = ["success", "refused", "failed"] as const;

interface Props {
  wanted: Wanted;
  onChange: (wanted: Wanted) => void;
}

function Typed({
  label,
  value,
  icon,
  width,
  onSettled,
}: {
  label: string;
  value: string;
  icon?: ReactNode;
  width: number;
  onSettled: (text: string) => void;
}) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  const settle = useDebouncedCallback((latest: string) => {
    sent.current = latest;
    onSettled(latest);
  }, TYPING_MS);
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value;
    setText(value);
  }, [value]);
  return (
    <TextInput
      w={width}
      label={label}
      leftSection={icon}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        settle(event.currentTarget.value);
      }}
    />
  );
}

/** Who, what, which exam, which patient, where, when, how it ended. */
export function TrailFilters({ wanted, onChange }: Props) {
  const { t, i18n } = useTranslation();
  const sites = useSites();
  const set = (field: Field) => (value: string | null | undefined) =>
    onChange({ ...wanted, [field]: value || undefined });
  const acts = Object.keys(en.acts)
    .map((key) => ({ value: actionOf(key), label: t(`acts.${key}` as never) as string }))
    .sort((a, b) => a.label.localeCompare(b.label, i18n.language));
  const clear = { "aria-label": t("exams.clear") };
  return (
    <search>
      <Group gap={8} align="flex-end">
        <Typed
          label={t("trail.who")}
          width={140}
          icon={<IconSearch size={15} aria-hidden />}
          value={wanted.who ?? ""}
          onSettled={set("who")}
        />
        <Select
          w={170}
          label={t("trail.action")}
          placeholder={t("trail.anyAction")}
          searchable
          clearable
          clearButtonProps={clear}
          data={acts}
          value={wanted.action ?? null}
          onChange={set("action")}
        />
        <Typed label={t("trail.exam")} width={180} value={wanted.exam ?? ""} onSettled={set("exam")} />
        <Typed label={t("trail.patient")} width={116} value={wanted.patient_id ?? ""} onSettled={set("patient_id")} />
        {sites.length > 1 && (
          <Select
            w={150}
            label={t("trail.site")}
            placeholder={t("exams.allSites")}
            clearable
            searchable={sites.length > 8}
            clearButtonProps={clear}
            data={sites.map((site) => ({ value: site.id, label: site.name }))}
            value={wanted.site_id ?? null}
            onChange={set("site_id")}
          />
        )}
        <DayInput w={122} label={t("exams.from")} value={wanted.date_from} onChange={set("date_from")} />
        <DayInput w={122} label={t("exams.to")} value={wanted.date_to} onChange={set("date_to")} />
        <Select
          w={104}
          label={t("trail.outcome")}
          placeholder={t("trail.anyOutcome")}
          clearable
          clearButtonProps={clear}
          data={OUTCOMES.map((one) => ({ value: one, label: t(`trail.outcomes.${one}`) }))}
          value={wanted.outcome ?? null}
          onChange={set("outcome")}
        />
        {Object.values(wanted).some(Boolean) && (
          <Button variant="subtle" px={8} onClick={() => onChange({})}>
            {t("exams.clearAll")}
          </Button>
        )}
      </Group>
    </search>
  );
}
