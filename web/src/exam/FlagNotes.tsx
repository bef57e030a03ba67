import { Anchor, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { ExamDetail } from "../api/types";
import { FlagIcon, flagKind, flagName, flagsOf } from "../exams/flags";
import { useMay } from "../session/session";
import style from "./exam.module.css";

/** Each flag in plain words, with the way to the conflict behind it. */
export function FlagNotes({ exam }: { exam: ExamDetail }) {
  const { t } = useTranslation();
  const may = useMay();
  return flagsOf(exam).map((flag) => {
    const conflict = exam.conflicts.find((one) => one.state === "open" && flagKind(one.kind) === flag.kind);
    return (
      <div key={flag.code} className={style.flag} role="note" style={{ background: `var(--app-${flag.tone}-soft)` }}>
        <FlagIcon flag={flag} size={18} />
        <div>
          <Text component="span" size="sm" fw={650} c={`var(--app-${flag.tone})`}>
            {flagName(flag, t)}.
          </Text>{" "}
          {t(`flags.${flag.kind}.text`)}{" "}
          {conflict && may("conflict.resolve") && (
            <Anchor component={Link} to={`/conflicts/${conflict.id}`} size="sm" fw={600} underline="always">
              {t("flags.seeConflict")}
            </Anchor>
          )}
        </div>
      </div>
    );
  });
}
