import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

/** One change to the directory: busy while it runs, its error kept for the form, the lists read again after. */
export function useChange(key: string) {
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = async (act: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true);
    setError(null);
    try {
      await act();
      await client.invalidateQueries({ queryKey: [key] });
      return true;
    } catch (reason) {
      setError(reason);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, run, forget: () => setError(null) };
}

/** The field that the platform complains about, for the message beside it. */
export function fieldOf(error: unknown): string {
  return typeof error === "object" && error !== null && "field" in error ? String(error.field) : "";
}
