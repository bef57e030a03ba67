import { useEffect, useRef } from "react";

const FIELDS = "input, textarea, select, [contenteditable=true], [role=dialog]";
const PAIR_MS = 900;

/** Single keys and pairs (`g` then `e`), silent while someone types or a window is open. */
export function useShortcuts(acts: Record<string, () => void>): void {
  const latest = useRef(acts);
  latest.current = acts;
  useEffect(() => {
    let first = "";
    let since = 0;
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as HTMLElement).closest?.(FIELDS)) return;
      const pair = Date.now() - since < PAIR_MS ? `${first} ${event.key}` : "";
      const act = latest.current[pair] ?? latest.current[event.key];
      first = event.key;
      since = Date.now();
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}
