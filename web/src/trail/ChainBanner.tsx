import { Alert, List, Text } from "@mantine/core";
import { IconAlertTriangle, IconClockHour4, IconShieldCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { readTrailState } from "../api/calls";
import type { TrailState } from "../api/types";
import { day, instant, number } from "../format/values";
import { i18next } from "../i18n";

const NAMED_MAX = 5;
const ASK_AGAIN_MS = 60_000;

function Findings({ state }: { state: TrailState }) {
  const { t } = useTranslation();
  return (
    <List size="sm" mt={4}>
      {state.findings.slice(0, NAMED_MAX).map((one) => (
        <List.Item key={`${one.kind} ${one.record_id} ${one.seq}`}>
          {i18next.exists(`trail.found.${one.kind}`) ? t(`trail.found.${one.kind}` as never) : one.text}
          {one.record_id && <span className="mono"> {one.record_id}</span>}
          {one.seq > 0 && ` (${t("trail.place", { place: one.seq })})`}
        </List.Item>
      ))}
      {state.finding_count > NAMED_MAX && (
        <List.Item>{t("trail.moreFound", { count: state.finding_count - NAMED_MAX })}</List.Item>
      )}
    </List>
  );
}

/** How far the chain vouches for what the page shows; what was tampered with, by name. */
export function ChainBanner() {
  const { t, i18n } = useTranslation();
  const query = useQuery({
    queryKey: ["trail-state"],
    queryFn: ({ signal }) => readTrailState(signal),
    refetchInterval: ASK_AGAIN_MS,
  });
  const state = query.data;
  if (!state) return null;
  const bad = state.finding_count > 0;
  const away = state.destinations.filter((one) => one.error);
  const said = [
    state.verified_until
      ? t("trail.verifiedUntil", { at: instant(state.verified_until, i18n.language) })
      : t("trail.notVerified"),
    state.signed_day ? t("trail.signedUntil", { day: day(state.signed_day, i18n.language) }) : t("trail.notSigned"),
    state.chained_until
      ? t("trail.chainedUntil", {
          at: instant(state.chained_until, i18n.language),
          count: state.chained_count,
          formatted: number(state.chained_count, i18n.language),
        })
      : t("trail.notChained"),
    ...(state.waiting_count
      ? [
          t("trail.waiting", {
            count: state.waiting_count,
            formatted: number(state.waiting_count, i18n.language),
          }),
        ]
      : []),
  ];
  return (
    <Alert
      variant="light"
      p="xs"
      role={bad ? "alert" : "status"}
      color={bad ? "red" : state.verified_until ? "teal" : "gray"}
      icon={
        bad ? (
          <IconAlertTriangle size={18} aria-hidden />
        ) : state.verified_until ? (
          <IconShieldCheck size={18} aria-hidden />
        ) : (
          <IconClockHour4 size={18} aria-hidden />
        )
      }
    >
      {bad && <b>{t("trail.tampered", { count: state.finding_count })}</b>}
      <Text size="sm" className="num">
        {said.join(" · ")}
      </Text>
      {away.map((one) => (
        <Text key={one.destination} size="sm">
          {t("trail.away", { destination: one.destination, at: instant(one.at, i18n.language) })}
        </Text>
      ))}
      {bad && <Findings state={state} />}
    </Alert>
  );
}
