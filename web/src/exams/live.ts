/** Exams that arrive while one looks: counted, never pushed under the reader's finger. */
import { useEffect, useRef, useState } from "react";
import { listExams } from "../api/calls";
import type { ExamQuery } from "../api/types";
import { SORT_ARRIVAL } from "./query";

const SETTLE_MS = 1200;

interface Arrival {
  study_uid: string;
  instance_count: number;
}

/** Call `onArrival` for every exam that received something. Returns whether the line is open. */
function useArrivals(onArrival: (arrival: Arrival) => void): boolean {
  const [open, setOpen] = useState(true);
  const act = useRef(onArrival);
  act.current = onArrival;
  useEffect(() => {
    const source = new EventSource("/api/v1/live");
    source.addEventListener("exam", (event) => {
      try {
        act.current(JSON.parse((event as MessageEvent<string>).data) as Arrival);
      } catch {
        // A message that is not ours; the next one may be.
      }
    });
    source.onopen = () => setOpen(true);
    source.onerror = () => setOpen(false);
    return () => source.close();
  }, []);
  return open;
}

export interface Live {
  open: boolean;
  /** UIDs that match the filters and are not on the page yet. */
  arrived: string[];
  /** Image counts of rows that are on the page, as last told. */
  counts: ReadonlyMap<string, number>;
  forget: () => void;
}

/** An exam counts as new when the platform lists it for these very filters and the page does not show it. */
export function useLive(query: ExamQuery, shown: ReadonlySet<string>): Live {
  const [arrived, setArrived] = useState<string[]>([]);
  const [counts, setCounts] = useState<ReadonlyMap<string, number>>(new Map());
  const heard = useRef(new Set<string>());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const now = useRef({ query, shown });
  now.current = { query, shown };

  const check = async () => {
    timer.current = undefined;
    const { query: asked, shown: visible } = now.current;
    const recent = { ...asked, sort: SORT_ARRIVAL, cursor: undefined, limit: 50 };
    const page = await listExams(recent).catch(() => null);
    const fresh =
      page?.items.map((exam) => exam.study_uid).filter((uid) => heard.current.has(uid) && !visible.has(uid)) ?? [];
    if (fresh.length) setArrived((before) => [...new Set([...before, ...fresh])]);
    heard.current.clear();
  };

  const open = useArrivals(({ study_uid, instance_count }) => {
    if (now.current.shown.has(study_uid)) {
      setCounts((before) => new Map(before).set(study_uid, instance_count));
      return;
    }
    heard.current.add(study_uid);
    timer.current ??= setTimeout(() => void check(), SETTLE_MS);
  });
  useEffect(() => () => clearTimeout(timer.current), []);

  const key = JSON.stringify({ ...query, cursor: undefined });
  // biome-ignore lint/correctness/useExhaustiveDependencies: other filters start a new count
  useEffect(() => {
    setArrived([]);
    setCounts(new Map());
  }, [key]);
  return { open, arrived, counts, forget: () => setArrived([]) };
}
