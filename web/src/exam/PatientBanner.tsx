import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Exam } from "../api/types";
import { ageText, nameOf } from "../exams/columns";
import { day } from "../format/values";
import style from "./exam.module.css";

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={style.fact}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Who this is. It never scrolls away: every act on the page is an act on this person. */
export function PatientBanner({ exam, children }: { exam: Exam; children?: ReactNode }) {
  const { t, i18n } = useTranslation();
  const { birth_date: birthDate, sex, id, issuer } = exam.patient;
  const atExam = exam.study_date ? ageText(birthDate, exam.study_date, t) : "";
  const today = ageText(birthDate, new Date(), t);
  return (
    <section className={`panel ${style.banner}`} aria-label={t("exam.patient")}>
      <h1 className={style.name} style={{ margin: 0 }}>
        {nameOf(exam, t)}
      </h1>
      <dl className={style.facts}>
        <Fact name={t("exam.born")}>
          {[day(birthDate, i18n.language), today].filter(Boolean).join(" · ")}
          {atExam && atExam !== today ? ` (${t("age.atExam", { age: atExam })})` : null}
        </Fact>
        <Fact name={t("exams.column.sex")}>
          {sex === "M" || sex === "F" || sex === "O" ? t(`sex.long.${sex}`) : sex}
        </Fact>
        <Fact name={t("exams.patientId")}>
          {id}
          {issuer && <span className={style.soft}> {issuer}</span>}
        </Fact>
      </dl>
      {children}
    </section>
  );
}
