import { ActionIcon, Tooltip } from "@mantine/core";
import { IconPhoto } from "@tabler/icons-react";
import type { TFunction } from "i18next";
import { Link } from "react-router";
import { viewerAddress } from "../api/calls";
import type { Exam } from "../api/types";
import { ageAt, personName } from "../format/person";
import { clockTime, day, instant, number } from "../format/values";
import type { Column } from "../ui/DataTable";
import { Modalities } from "../ui/Tag";
import style from "./exams.module.css";
import { FlagIcons } from "./flags";

export function ageText(birthDate: string | null, at: string | Date, t: TFunction): string {
  const age = ageAt(birthDate, at);
  return age ? t(`age.${age.unit}`, { count: age.count }) : "";
}

export const sexText = (sex: string | null, t: TFunction): string =>
  sex === "M" || sex === "F" || sex === "O" ? t(`sex.${sex}`) : (sex ?? "");

/** `DUPONT Jeanne`, or a word when the images came without a name. */
export const nameOf = (exam: Exam, t: TFunction): string => personName(exam.patient.name) || t("exams.unnamed");

/** How much room there is: at 1024 px the age gives way to a whole name and ID, at 1600 px issuer and time of arrival join. */
export type Room = "narrow" | "normal" | "wide";

function patientColumns(t: TFunction, language: string, room: Room): Column<Exam>[] {
  return [
    {
      key: "flags",
      header: <span className="hidden-visually">{t("exams.column.flags")}</span>,
      width: room === "narrow" ? 32 : 40,
      tight: true,
      cell: (exam) => <FlagIcons exam={exam} />,
    },
    {
      key: "patient",
      width: room === "wide" ? undefined : room === "narrow" ? 178 : 208,
      header: t("exams.column.patient"),
      sort: "patient_name",
      cell: (exam) => (
        <Link className={style.name} to={`/exams/${exam.study_uid}`} title={nameOf(exam, t)}>
          {nameOf(exam, t)}
        </Link>
      ),
    },
    {
      key: "birth",
      sort: "birth_date",
      header:
        room === "narrow"
          ? t("exams.column.birth")
          : `${t("exams.column.sex")}, ${t("exams.column.birth").toLowerCase()}`,
      width: room === "narrow" ? 126 : 164,
      cell: (exam) => (
        <span className={`num ${style.line}`}>
          <span className={style.sex}>{sexText(exam.patient.sex, t)}</span> {day(exam.patient.birth_date, language)}{" "}
          {room !== "narrow" && <span className={style.soft}>{ageText(exam.patient.birth_date, new Date(), t)}</span>}
        </span>
      ),
    },
    {
      key: "id",
      sort: "patient_id",
      header: t("exams.column.id"),
      width: room === "narrow" ? 104 : 142,
      cell: (exam) => (
        <span className={`num ${style.line}`} title={`${exam.patient.id} ${exam.patient.issuer ?? ""}`}>
          {exam.patient.id}
          {room === "wide" && <span className={style.soft}> {exam.patient.issuer}</span>}
        </span>
      ),
    },
  ];
}

function imagesCell(exam: Exam, t: TFunction, language: string) {
  const counted = (count: number) => ({ count, formatted: number(count, language) });
  const both = `${t("exam.seriesCount", counted(exam.series_count))}, ${t("exam.imageCount", counted(exam.instance_count))}`;
  return (
    <span className={`num ${style.line}`} title={both}>
      <span aria-hidden>
        <span className={style.soft}>{exam.series_count} /</span> {number(exam.instance_count, language)}
      </span>
      <span className="hidden-visually">{both}</span>
    </span>
  );
}

function examColumns(t: TFunction, language: string, room: Room): Column<Exam>[] {
  const text = (value: string | null) => (
    <span className={style.line} title={value ?? undefined}>
      {value}
    </span>
  );
  const columns: Column<Exam>[] = [
    {
      key: "date",
      header: t("exams.column.date"),
      sort: "study_date",
      width: 144,
      cell: (exam) => (
        <span className={`num ${style.line}`}>
          {day(exam.study_date, language)} <span className={style.soft}>{clockTime(exam.study_time)}</span>
        </span>
      ),
    },
    {
      key: "modality",
      sort: "modality",
      header: t("exams.column.modality"),
      width: room === "narrow" ? 70 : 78,
      tight: true,
      cell: (exam) => <Modalities codes={exam.modalities} shown={2} />,
    },
    {
      key: "description",
      sort: "description",
      header: t("exams.column.description"),
      cell: (exam) => text(exam.description),
    },
    {
      key: "site",
      sort: "site",
      header: t("exams.column.site"),
      width: room === "narrow" ? 78 : 126,
      cell: (exam) => text(exam.site.name),
    },
    {
      key: "images",
      sort: "instance_count",
      header: t("exams.column.images"),
      width: room === "narrow" ? 66 : 84,
      end: true,
      cell: (exam) => imagesCell(exam, t, language),
    },
  ];
  if (room === "wide")
    columns.push({
      key: "received",
      header: t("exams.column.received"),
      sort: "received_at",
      width: 136,
      cell: (exam) => <span className={`num ${style.line} ${style.soft}`}>{instant(exam.received_at, language)}</span>,
    });
  return columns;
}

function viewerColumn(t: TFunction): Column<Exam> {
  return {
    key: "viewer",
    header: <span className="hidden-visually">{t("common.actions")}</span>,
    width: 38,
    tight: true,
    cell: (exam) => (
      <Tooltip label={`${t("exam.openViewer")} (${t("common.opensNewTab")})`}>
        <ActionIcon
          component="a"
          href={viewerAddress(exam.study_uid)}
          target="_blank"
          rel="noopener"
          variant="subtle"
          size={22}
          aria-label={`${t("exams.openViewer", { name: nameOf(exam, t) })} (${t("common.opensNewTab")})`}
        >
          <IconPhoto size={17} stroke={1.7} />
        </ActionIcon>
      </Tooltip>
    ),
  };
}

export function examColumnsFor(t: TFunction, language: string, room: Room): Column<Exam>[] {
  return [...patientColumns(t, language, room), ...examColumns(t, language, room), viewerColumn(t)];
}
