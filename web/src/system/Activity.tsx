import { useTranslation } from "react-i18next";
import type { SystemState } from "../api/types";
import { number, size } from "../format/values";
import { Bars } from "./Bars";
import style from "./system.module.css";

type Minute = SystemState["last_hour"][number];
type Name = Exclude<keyof Minute, "at" | "seal_lag_s">;

const ACCENT = "var(--app-accent)";
const QUIET = "var(--app-violet)";
const BAD = "var(--app-danger)";

/** `sum` adds the minutes of the hour up; `now` is the newest of them, for what waits. */
const PICTURES: { name: Name; shown: "sum" | "now"; colour: string; bytes?: boolean }[] = [
  { name: "received", shown: "sum", colour: ACCENT },
  { name: "received_bytes", shown: "sum", colour: ACCENT, bytes: true },
  { name: "waiting", shown: "now", colour: QUIET },
  { name: "lag", shown: "now", colour: QUIET },
  { name: "jobs_waiting", shown: "now", colour: QUIET },
  { name: "errors", shown: "sum", colour: BAD },
];

/** The last hour in small pictures of one measure: what came, what waits, what failed. */
export function Activity({ minutes }: { minutes: Minute[] }) {
  const { t, i18n } = useTranslation();
  const last = minutes.at(-1);
  const hour = minutes.map((minute) => ({ ...minute, errors: minute.errors + minute.refused }));
  return (
    <section className={`panel ${style.card}`}>
      <header>
        <h2>{t("system.lastHour")}</h2>
      </header>
      <div className={style.pictures}>
        {PICTURES.map(({ name, shown, colour, bytes }) => {
          const values = hour.map((minute) => minute[name]);
          const text = (value: number) => (bytes ? size(value, i18n.language) : number(value, i18n.language));
          const total = values.reduce((sum, value) => sum + value, 0);
          const title = t(`system.pictures.${name}`);
          const figure = text(shown === "sum" ? total : (values.at(-1) ?? 0));
          const most = t(shown === "sum" ? "system.atMostAMinute" : "system.atMost", {
            value: text(Math.max(0, ...values)),
          });
          return (
            <figure key={name} className={style.picture}>
              <figcaption>
                <span>{title}</span>
                <b className="num">{figure}</b>
              </figcaption>
              <Bars
                values={values}
                colour={colour}
                label={`${title} : ${figure}. ${most}`}
                hint={(index) => `${clock(hour[index]?.at, i18n.language)} · ${text(values[index] ?? 0)}`}
              />
              <div className={style.axis} aria-hidden>
                <span>{clock(hour[0]?.at, i18n.language)}</span>
                <span>{most}</span>
                <span>{clock(last?.at, i18n.language)}</span>
              </div>
            </figure>
          );
        })}
      </div>
    </section>
  );
}

/** The hour and minute of an instant. */
export function clock(iso: string | undefined, language: string): string {
  if (!iso) return "";
  const options = { hour: "2-digit", minute: "2-digit" } as const;
  return new Intl.DateTimeFormat(language === "fr" ? "fr-FR" : "en-GB", options).format(new Date(iso));
}
