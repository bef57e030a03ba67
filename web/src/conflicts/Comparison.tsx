import { Switch, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Conflict } from "../api/types";
import { day } from "../format/values";
import { type ComparedLine, comparedLines, differingPart } from "./compare";
import style from "./conflicts.module.css";
import { conflictWord } from "./words";

/** DICOM dates are read as dates; everything else stays as it was received. */
function shown(line: ComparedLine, value: string, language: string): string {
  const date = /Date$/.test(line.keyword) ? /^(\d{4})(\d{2})(\d{2})$/.exec(value) : null;
  return date ? day(`${date[1]}-${date[2]}-${date[3]}`, language) : value;
}

function Cell({ own, other }: { own: string; other: string }) {
  const { t } = useTranslation();
  if (!own) return <span className={style.soft}>{t("exam.tags.emptyValue")}</span>;
  if (own === other) return own;
  const { before, middle, after } = differingPart(own, other);
  return (
    <>
      {before}
      {middle && <mark>{middle}</mark>}
      {after}
    </>
  );
}

/** Archived and received values in two columns; what differs is marked, in colour and in weight. */
export function Comparison({ conflict }: { conflict: Conflict }) {
  const { t, i18n } = useTranslation();
  const [whole, setWhole] = useState(false);
  const all = comparedLines(conflict);
  const lines = whole ? all : all.filter((line) => line.telling);
  return (
    <>
      {conflict.differences.length === 0 && <Text size="sm">{t("conflicts.noDifferences")}</Text>}
      {typeof conflict.same_pixels === "boolean" && (
        <Text size="sm" fw={600}>
          {conflict.same_pixels ? t("conflicts.samePixels") : t("conflicts.otherPixels")}
        </Text>
      )}
      <table className={style.compare}>
        <thead>
          <tr>
            <th scope="col" style={{ width: "30%" }}>
              {t("conflicts.attribute")}
            </th>
            <th scope="col">{t("conflicts.archived")}</th>
            <th scope="col">{t("conflicts.received")}</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => {
            const archived = shown(line, line.archived, i18n.language);
            const received = shown(line, line.received, i18n.language);
            return (
              <tr key={line.keyword} data-differs={line.differs || undefined}>
                <th scope="row">
                  {conflictWord("keyword", line.keyword, t)}
                  {line.differs && <span className="hidden-visually"> ({t("conflicts.differs")})</span>}
                </th>
                <td>
                  <Cell own={archived} other={received} />
                </td>
                <td>
                  <Cell own={received} other={archived} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {all.some((line) => !line.telling) && (
        <Switch
          size="xs"
          label={t("conflicts.allAttributes")}
          checked={whole}
          onChange={(event) => setWhole(event.currentTarget.checked)}
        />
      )}
    </>
  );
}
