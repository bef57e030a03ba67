import { Button, Group, Loader, Modal, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { listExams } from "../api/calls";
import type { DocumentTarget, Exam } from "../api/types";
import { nameOf } from "../exams/columns";
import { NO_FILTERS, toQuery } from "../exams/query";
import { typedName } from "../format/person";
import { clockTime, day } from "../format/values";
import { DayInput } from "../ui/DayInput";
import { sentenceOf } from "../ui/errors";
import { Modalities } from "../ui/Tag";
import style from "./upload.module.css";

const RESULTS = 8;

function Result({ exam, chosen, onChoose }: { exam: Exam; chosen: boolean; onChoose: () => void }) {
  const { t, i18n } = useTranslation();
  return (
    <button type="button" className={style.result} aria-pressed={chosen} onClick={onChoose}>
      <b style={{ fontWeight: 650 }}>{nameOf(exam, t)}</b>{" "}
      <span className="num">
        {day(exam.patient.birth_date, i18n.language)} · {exam.patient.id}
      </span>
      <br />
      <Modalities codes={exam.modalities} /> {exam.description} ·{" "}
      <span className="num">
        {day(exam.study_date, i18n.language)} {clockTime(exam.study_time)}
      </span>{" "}
      · {exam.site.name}
    </button>
  );
}

function ExistingExam({ chosen, onChoose }: { chosen: Exam | null; onChoose: (exam: Exam) => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState("");
  const [wanted] = useDebouncedValue(text.trim(), 250);
  const query = toQuery({ ...NO_FILTERS, text: wanted, sort: "-study_date" }, RESULTS, undefined);
  const found = useQuery({
    queryKey: ["exams", "target", query],
    queryFn: ({ signal }) => listExams(query, signal),
    enabled: wanted.length >= 2,
  });
  return (
    <Stack gap="xs" mih={260}>
      <TextInput
        type="search"
        label={t("target.search")}
        data-autofocus
        leftSection={<IconSearch size={15} aria-hidden />}
        rightSection={found.isFetching ? <Loader size={14} /> : null}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <div role="status">
        {wanted.length < 2 && (
          <Text size="sm" c="dimmed">
            {t("target.type")}
          </Text>
        )}
        {found.error && (
          <Text size="sm" c="var(--app-danger)">
            {sentenceOf(found.error, t)}
          </Text>
        )}
        {found.data?.items.length === 0 && (
          <Text size="sm" c="dimmed">
            {t("target.none")}
          </Text>
        )}
      </div>
      {wanted.length >= 2 &&
        found.data?.items.map((exam) => (
          <Result
            key={exam.study_uid}
            exam={exam}
            chosen={exam.study_uid === chosen?.study_uid}
            onChoose={() => onChoose(exam)}
          />
        ))}
    </Stack>
  );
}

interface Person {
  family: string;
  given: string;
  id: string;
  birthDate: string | undefined;
  sex: string;
  description: string;
}
const NOBODY: Person = { family: "", given: "", id: "", birthDate: undefined, sex: "", description: "" };

function TypedPerson({ person, onChange }: { person: Person; onChange: (person: Person) => void }) {
  const { t } = useTranslation();
  const set = (name: keyof Person) => (value: string | undefined) => onChange({ ...person, [name]: value ?? "" });
  const text = (name: "family" | "given" | "id" | "description", required = true) => (
    <TextInput
      label={t(`target.${name}`)}
      required={required}
      value={person[name]}
      onChange={(event) => set(name)(event.currentTarget.value)}
    />
  );
  return (
    <Stack gap="xs" mih={260}>
      <Group grow>
        {text("family")}
        {text("given", false)}
      </Group>
      <Group grow align="flex-start">
        {text("id")}
        <DayInput label={t("target.birthDate")} required value={person.birthDate} onChange={set("birthDate")} />
        <Select
          label={t("target.sex")}
          data={(["F", "M", "O"] as const).map((sex) => ({ value: sex, label: t(`sex.long.${sex}`) }))}
          value={person.sex || null}
          onChange={(sex) => set("sex")(sex ?? "")}
        />
      </Group>
      {text("description")}
    </Stack>
  );
}

interface Props {
  opened: boolean;
  count: number;
  onClose: () => void;
  onTarget: (target: DocumentTarget) => void;
}

/** Which exam do these documents belong to: one that is archived, or a person typed in. */
export function TargetDialog({ opened, count, onClose, onTarget }: Props) {
  const { t } = useTranslation();
  const [way, setWay] = useState("existing");
  const [exam, setExam] = useState<Exam | null>(null);
  const [person, setPerson] = useState<Person>(NOBODY);
  const complete =
    way === "existing" ? exam !== null : Boolean(person.family && person.id && person.birthDate && person.description);
  const submit = () => {
    if (way === "existing" && exam) onTarget({ study_uid: exam.study_uid });
    if (way === "typed")
      onTarget({
        patient_id: person.id.trim(),
        patient_name: typedName(person.family, person.given),
        birth_date: person.birthDate ?? "",
        sex: person.sex,
        description: person.description.trim(),
      });
    setExam(null);
    setPerson(NOBODY);
    onClose();
  };
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      size="lg"
      title={count === 1 ? t("target.titleOne") : t("target.title")}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <Stack gap="md">
        <SegmentedControl
          aria-label={t("target.title")}
          value={way}
          onChange={setWay}
          data={[
            { value: "existing", label: t("target.existing") },
            { value: "typed", label: t("target.typed") },
          ]}
        />
        {way === "existing" ? (
          <ExistingExam chosen={exam} onChoose={setExam} />
        ) : (
          <TypedPerson person={person} onChange={setPerson} />
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button disabled={!complete} onClick={submit}>
            {t("target.submit")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
