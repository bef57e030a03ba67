import { Tooltip } from "@mantine/core";
import type { ReactNode } from "react";
import style from "./tag.module.css";

export type Tone = "quiet" | "info" | "ok" | "warn" | "danger" | "violet";

export function Tag({ tone = "quiet", icon, children }: { tone?: Tone; icon?: ReactNode; children: ReactNode }) {
  return (
    <span className={`${style.tag} ${style[tone]}`}>
      {icon}
      {children}
    </span>
  );
}

/** Families that are read alike share a tone, so that a column of them can be scanned. */
const TONE_OF_MODALITY: Record<string, Tone> = {
  CT: "info",
  MR: "violet",
  PT: "warn",
  NM: "warn",
  MG: "ok",
  US: "ok",
};

export function Modality({ code }: { code: string }) {
  return <span className={`${style.tag} ${style.modality} ${style[TONE_OF_MODALITY[code] ?? "quiet"]}`}>{code}</span>;
}

/** At most `shown` badges; the rest is counted and named in a tooltip. */
export function Modalities({ codes, shown = 4 }: { codes: string[]; shown?: number }) {
  const fit = codes.length > shown ? shown - 1 : shown;
  const rest = codes.slice(fit);
  return (
    <span style={{ display: "inline-flex", gap: 3 }}>
      {codes.slice(0, fit).map((code) => (
        <Modality key={code} code={code} />
      ))}
      {rest.length > 0 && (
        <Tooltip label={rest.join(", ")}>
          <span className={`${style.tag} ${style.modality} ${style.quiet}`}>+{rest.length}</span>
        </Tooltip>
      )}
    </span>
  );
}
