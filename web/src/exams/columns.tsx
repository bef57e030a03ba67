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

function patientColumns(t: TFunction, language: string): Column<Exam>[] {
  return [
    {
      key: "flags",
      header: <span className="hidden-visually">{t("exams.column.flags")}</span>,
      width: 40,
      tight: true,
      cell: (exam) => <FlagIcons exam={exam} />,
    },
    {
      key: "patient",
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
      header: t("exams.column.birth"),
      width: 140,
      cell: (exam) => (
        <span className="num" style={{ whiteSpace: "nowrap" }}>
          {day(exam.patient.birth_date, language)}{" "}
          <span className={style.soft}>{ageText(exam.patient.birth_date, new Date(), t)}</span>
        </span>
      ),
    },
    { key: "sex", header: t("exams.column.sex"), width: 44, tight: true, cell: (exam) => sexText(exam.patient.sex, t) },
    {
      key: "id",
      header: t("exams.column.id"),
      width: 150,
      cell: (exam) => (
        <span className={`num ${style.line}`} title={exam.patient.issuer ?? undefined}>
          {exam.patient.id} <span className={style.soft}>{exam.patient.issuer}</span>
        </span>
      ),
    },
  ];
}

function examColumns(t: TFunction, language: string, roomy: boolean): Column<Exam>[] {
  const columns: Column<Exam>[] = [
    {
      key: "date",
      header: t("exams.column.date"),
      sort: "study_date",
      width: 132,
      cell: (exam) => (
        <span className="num" style={{ whiteSpace: "nowrap" }}>
          {day(exam.study_date, language)} <span className={style.soft}>{clockTime(exam.study_time)}</span>
        </span>
      ),
    },
    {
      key: "modality",
      header: t("exams.column.modality"),
      width: 84,
      tight: true,
      cell: (exam) => <Modalities codes={exam.modalities} />,
    },
    {
      key: "description",
      header: t("exams.column.description"),
      cell: (exam) => (
        <span className={style.line} style={{ maxWidth: roomy ? 260 : 190 }} title={exam.description ?? undefined}>
          {exam.description}
        </span>
      ),
    },
    {
      key: "site",
      header: t("exams.column.site"),
      cell: (exam) => (
        <span className={style.line} style={{ maxWidth: 150 }} title={exam.site.name}>
          {exam.site.name}
        </span>
      ),
    },
    {
      key: "images",
      header: t("exams.column.images"),
      width: 84,
      end: true,
      cell: (exam) => (
        <span
          className="num"
          title={t("exams.seriesAndImages", { series: exam.series_count, images: exam.instance_count })}
        >
          <span className={style.soft}>{exam.series_count} /</span> {number(exam.instance_count, language)}
        </span>
      ),
    },
  ];
  if (roomy)
    columns.push({
      key: "received",
      header: t("exams.column.received"),
      sort: "received_at",
      width: 128,
      cell: (exam) => (
        <span className={`num ${style.soft}`} style={{ whiteSpace: "nowrap" }}>
          {instant(exam.received_at, language)}
        </span>
      ),
    });
  return columns;
}

export function examColumnsFor(t: TFunction, language: string, roomy: boolean): Column<Exam>[] {
  return [
    ...patientColumns(t, language),
    ...examColumns(t, language, roomy),
    {
      key: "viewer",
      header: <span className="hidden-visually">{t("common.actions")}</span>,
      width: 40,
      tight: true,
      cell: (exam) => (
        <Tooltip label={`${t("exam.openViewer")} (${t("common.opensNewTab")})`}>
          <ActionIcon
            component="a"
            href={viewerAddress(exam.study_uid)}
            target="_blank"
            rel="noopener"
            variant="subtle"
            size={24}
            aria-label={`${t("exams.openViewer", { name: nameOf(exam, t) })} (${t("common.opensNewTab")})`}
          >
            <IconPhoto size={17} stroke={1.7} />
          </ActionIcon>
        </Tooltip>
      ),
    },
  ];
}
