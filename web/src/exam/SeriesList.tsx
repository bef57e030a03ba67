import { IconFileText, IconPhotoOff } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Series } from "../api/types";
import { number, size } from "../format/values";
import { Modality, Tag } from "../ui/Tag";
import style from "./exam.module.css";

const PAPERS = ["SR", "DOC", "PR", "KO", "SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "REG"];

export function Thumbnail({ series }: { series: Series }) {
  const [broken, setBroken] = useState(false);
  const Icon = PAPERS.includes(series.modality ?? "") ? IconFileText : IconPhotoOff;
  return (
    <span className={style.thumb}>
      {series.thumbnail && !broken ? (
        <img src={series.thumbnail} alt="" loading="lazy" decoding="async" onError={() => setBroken(true)} />
      ) : (
        <Icon size={24} stroke={1.4} aria-hidden />
      )}
    </span>
  );
}

function SeriesCard({ series, current, onChoose }: { series: Series; current: boolean; onChoose: () => void }) {
  const { t, i18n } = useTranslation();
  return (
    <button type="button" className={style.card} aria-current={current || undefined} onClick={onChoose}>
      <Thumbnail series={series} />
      <span className={style.cardText}>
        <span className={style.cardName}>
          {series.number !== null && `${series.number}. `}
          {series.description || t("exam.noDescription")}
        </span>
        <span style={{ display: "flex", alignItems: "center", gap: 6, marginTop: 2 }}>
          {series.modality && <Modality code={series.modality} />}
          <span className={style.soft}>{series.body_part}</span>
          {series.rejected && <Tag tone="quiet">{t("flags.rejected.name")}</Tag>}
        </span>
        <span className={`${style.soft} num`}>
          {t("exam.imageCount", {
            count: series.instance_count,
            formatted: number(series.instance_count, i18n.language),
          })}
          {" · "}
          {size(series.size_bytes, i18n.language)}
        </span>
      </span>
    </button>
  );
}

interface Props {
  series: Series[];
  current: string | undefined;
  onChoose: (seriesUid: string) => void;
}

export function SeriesList({ series, current, onChoose }: Props) {
  const { t, i18n } = useTranslation();
  const images = series.reduce((sum, one) => sum + one.instance_count, 0);
  const total = series.reduce((sum, one) => sum + one.size_bytes, 0);
  return (
    <section className={`panel ${style.list}`} aria-label={t("exam.series")}>
      <div className={style.listHead}>
        <h2 style={{ margin: 0, fontSize: 13.5 }}>
          {t("exam.seriesCount", { count: series.length, formatted: number(series.length, i18n.language) })}
        </h2>
        <span className={`${style.soft} num`}>
          {t("exam.imageCount", { count: images, formatted: number(images, i18n.language) })} ·{" "}
          {size(total, i18n.language)}
        </span>
      </div>
      <ul className={style.cards}>
        {series.map((one) => (
          <li key={one.series_uid}>
            <SeriesCard series={one} current={one.series_uid === current} onChoose={() => onChoose(one.series_uid)} />
          </li>
        ))}
      </ul>
    </section>
  );
}
