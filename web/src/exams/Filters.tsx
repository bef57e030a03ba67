import { Button, Checkbox, CloseButton, Group, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconAdjustmentsHorizontal, IconFlag, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "react-router";
import { listSites } from "../api/calls";
import type { Site } from "../api/types";
import { day } from "../format/values";
import { DayInput } from "../ui/DayInput";
import { FilterMenu } from "../ui/FilterMenu";
import style from "./exams.module.css";
import { isFiltered, type ListState } from "./query";
import { PRESETS, type Preset, parseSearch, presetOf, presetRange } from "./search";

const MODALITIES = [
  "CT",
  "MR",
  "CR",
  "DX",
  "MG",
  "US",
  "XA",
  "RF",
  "PT",
  "NM",
  "IO",
  "ES",
  "ECG",
  "SR",
  "SEG",
  "DOC",
  "OT",
];
const TYPING_MS = 300;

interface Props {
  state: ListState;
  onChange: (change: Partial<ListState>) => void;
  onClear: () => void;
}

/** A text box that tells of its text a moment after the last key. */
function useTyped(value: string, onSettled: (text: string) => void): [string, (text: string) => void, () => void] {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  const settle = useDebouncedCallback((latest: string) => {
    sent.current = latest;
    onSettled(latest);
  }, TYPING_MS);
  useEffect(() => {
    // The address changed by itself (back, clear): the box follows. What is being typed is left alone.
    if (value !== sent.current) {
      sent.current = value;
      setText(value);
    }
  }, [value]);
  const type = (latest: string) => {
    setText(latest);
    settle(latest);
  };
  const now = () => {
    settle.flush?.();
  };
  return [text, type, now];
}

function SearchBox({ state, onChange }: Omit<Props, "onClear">) {
  const { t } = useTranslation();
  const location = useLocation();
  const [text, type, now] = useTyped(state.text, (latest) => onChange({ text: latest }));
  const wanted = (location.state as { search?: boolean } | null)?.search;
  return (
    <TextInput
      className={style.search}
      data-search
      type="search"
      autoFocus={wanted}
      aria-label={t("exams.searchLabel")}
      placeholder={t("exams.searchPlaceholder")}
      leftSection={<IconSearch size={16} aria-hidden />}
      rightSectionWidth={text ? 30 : 34}
      rightSection={
        text ? (
          <CloseButton size="sm" aria-label={t("exams.clear")} onClick={() => type("")} />
        ) : (
          <kbd aria-hidden>/</kbd>
        )
      }
      value={text}
      onChange={(event) => type(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter") now();
        if (event.key === "Escape") event.currentTarget.blur();
      }}
    />
  );
}

function TextFilter({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string | undefined;
  onChange: (text: string) => void;
}) {
  const [text, type] = useTyped(value ?? "", onChange);
  return <TextInput w={170} label={label} value={text} onChange={(event) => type(event.currentTarget.value)} />;
}

function PeriodFilter({
  state,
  onChange,
  custom,
  onCustom,
}: Props & { custom: boolean; onCustom: (open: boolean) => void }) {
  const { t } = useTranslation();
  const { date_from, date_to } = state.filters;
  const preset = presetOf(date_from, date_to, new Date());
  const value = custom || ((date_from || date_to) && !preset) ? "custom" : preset;
  const choose = (chosen: string | null) => {
    onCustom(chosen === "custom");
    if (chosen === "custom") return;
    const range = chosen ? presetRange(chosen as Preset, new Date()) : undefined;
    onChange({ filters: { ...state.filters, date_from: range?.from, date_to: range?.to } });
  };
  return (
    <Select
      w={144}
      aria-label={t("exams.period")}
      placeholder={t("exams.anyDate")}
      clearable
      clearButtonProps={{ "aria-label": t("exams.clear") }}
      data={[...PRESETS, "custom" as const].map((name) => ({ value: name, label: t(`exams.preset.${name}`) }))}
      value={value}
      onChange={choose}
    />
  );
}

function MoreFilters({ state, onChange }: Omit<Props, "onClear">) {
  const { t } = useTranslation();
  const set = (name: keyof ListState["filters"]) => (value: string | undefined) =>
    onChange({ filters: { ...state.filters, [name]: value || undefined } });
  return (
    <Group gap={8} align="flex-end">
      <TextFilter label={t("exams.patientName")} value={state.filters.patient_name} onChange={set("patient_name")} />
      <TextFilter label={t("exams.patientId")} value={state.filters.patient_id} onChange={set("patient_id")} />
      <DayInput w={150} label={t("exams.birthDate")} value={state.filters.birth_date} onChange={set("birth_date")} />
      <TextFilter
        label={t("exams.accession")}
        value={state.filters.accession_number}
        onChange={set("accession_number")}
      />
      <TextFilter
        label={t("exams.descriptionContains")}
        value={state.filters.description}
        onChange={set("description")}
      />
      <Checkbox
        mb={9}
        label={t("exams.withRejected")}
        checked={state.rejected}
        onChange={(event) => onChange({ rejected: event.currentTarget.checked })}
      />
    </Group>
  );
}

/** Sites that this account may see by name: the directory's when it may read it, else those of the rows. */
export function useSites(): Site[] {
  const { data } = useQuery({
    queryKey: ["sites"],
    queryFn: ({ signal }) => listSites(signal),
    staleTime: 300_000,
    retry: false,
  });
  return data ?? [];
}

export function Filters({ state, onChange, onClear }: Props) {
  const { t, i18n } = useTranslation();
  const sites = useSites();
  const { patient_name, patient_id, birth_date, accession_number, description } = state.filters;
  const [more, setMore] = useState(
    Boolean(patient_name || patient_id || birth_date || accession_number || description || state.rejected),
  );
  const [custom, setCustom] = useState(false);
  const { date_from, date_to } = state.filters;
  const ownDates = custom || ((date_from || date_to) && !presetOf(date_from, date_to, new Date()));
  const { birthDate } = parseSearch(state.text);
  const setDate = (name: "date_from" | "date_to") => (value: string | undefined) =>
    onChange({ filters: { ...state.filters, [name]: value } });
  return (
    <search style={{ display: "contents" }}>
      <div className={style.filters}>
        <SearchBox state={state} onChange={onChange} />
        <PeriodFilter state={state} onChange={onChange} onClear={onClear} custom={custom} onCustom={setCustom} />
        {ownDates && (
          <>
            <DayInput
              w={136}
              aria-label={t("exams.from")}
              placeholder={t("exams.from")}
              value={date_from}
              onChange={setDate("date_from")}
            />
            <DayInput
              w={136}
              aria-label={t("exams.to")}
              placeholder={t("exams.to")}
              value={date_to}
              onChange={setDate("date_to")}
            />
          </>
        )}
        <FilterMenu
          label={t("exams.modality")}
          all={t("exams.allModalities")}
          options={MODALITIES.map((code) => ({ value: code, label: code }))}
          value={state.modality}
          onChange={(modality) => onChange({ modality })}
        />
        {sites.length > 1 && (
          <Select
            w={156}
            aria-label={t("exams.site")}
            placeholder={t("exams.allSites")}
            clearable
            searchable={sites.length > 8}
            clearButtonProps={{ "aria-label": t("exams.clear") }}
            data={sites.map((site) => ({ value: site.id, label: site.name }))}
            value={state.filters.site_id ?? null}
            onChange={(site) => onChange({ filters: { ...state.filters, site_id: site ?? undefined } })}
          />
        )}
        <Button
          variant="default"
          fw={500}
          px={10}
          leftSection={<IconFlag size={15} aria-hidden />}
          aria-pressed={state.flagged}
          style={state.flagged ? { borderColor: "var(--app-accent)", background: "var(--app-selected)" } : undefined}
          onClick={() => onChange({ flagged: !state.flagged })}
        >
          {t("exams.flaggedOnly")}
        </Button>
        <Button
          variant="subtle"
          px={8}
          leftSection={<IconAdjustmentsHorizontal size={16} aria-hidden />}
          aria-expanded={more}
          onClick={() => setMore(!more)}
        >
          {more ? t("exams.fewerFilters") : t("exams.moreFilters")}
        </Button>
        {isFiltered(state) && (
          <Button
            variant="subtle"
            px={8}
            onClick={() => {
              setCustom(false);
              onClear();
            }}
          >
            {t("exams.clearAll")}
          </Button>
        )}
      </div>
      {more && <MoreFilters state={state} onChange={onChange} />}
      {birthDate && !birth_date && (
        <div className={style.hint} role="status">
          {t("exams.searchHint", { date: day(birthDate, i18n.language) })}
        </div>
      )}
    </search>
  );
}
