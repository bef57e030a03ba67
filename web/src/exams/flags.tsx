import { Tooltip } from "@mantine/core";
import {
  IconAlertTriangle,
  IconArrowsDiff,
  IconBan,
  IconBuildings,
  IconFlag,
  IconLoader,
  IconUserQuestion,
} from "@tabler/icons-react";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import type { Exam } from "../api/types";
import type { Tone } from "../ui/Tag";

const LOOKS = {
  patient_mismatch: { icon: IconAlertTriangle, tone: "danger" },
  patient_attributes: { icon: IconUserQuestion, tone: "danger" },
  duplicate_instance: { icon: IconArrowsDiff, tone: "warn" },
  other_site: { icon: IconBuildings, tone: "warn" },
  rejected: { icon: IconBan, tone: "quiet" },
  arriving: { icon: IconLoader, tone: "info" },
  other: { icon: IconFlag, tone: "warn" },
} as const;

export type FlagKind = keyof typeof LOOKS;

/** A flag that this version does not know yet shows under its own code. */
export const flagKind = (code: string): FlagKind => (code in LOOKS ? (code as FlagKind) : "other");

export interface Flag {
  code: string;
  kind: FlagKind;
  tone: Tone;
}

/** Everything to know before reading: stored flags, rejection, and whether images still arrive. */
export function flagsOf(exam: Pick<Exam, "flags" | "rejected" | "settled">): Flag[] {
  const codes = [...exam.flags];
  if (exam.rejected && !codes.includes("rejected")) codes.push("rejected");
  if (!exam.settled && !codes.includes("arriving")) codes.push("arriving");
  return codes.map((code) => ({ code, kind: flagKind(code), tone: LOOKS[flagKind(code)].tone }));
}

export const flagName = (flag: Flag, t: TFunction): string => t(`flags.${flag.kind}.name`, { code: flag.code });

export function FlagIcon({ flag, size = 16 }: { flag: Flag; size?: number }) {
  const Icon = LOOKS[flag.kind].icon;
  return <Icon size={size} stroke={1.9} color={`var(--app-${flag.tone})`} aria-hidden />;
}

export function FlagIcons({ exam }: { exam: Exam }) {
  const { t } = useTranslation();
  return (
    <span style={{ display: "inline-flex", gap: 3, verticalAlign: "middle" }}>
      {flagsOf(exam).map((flag) => (
        <Tooltip key={flag.code} label={flagName(flag, t)} openDelay={150}>
          <span style={{ display: "inline-flex" }}>
            <FlagIcon flag={flag} />
            <span className="hidden-visually">{flagName(flag, t)}</span>
          </span>
        </Tooltip>
      ))}
    </span>
  );
}
