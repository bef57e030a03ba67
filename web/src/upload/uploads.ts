/** The queue of files on their way. It lives beside the pages: going elsewhere in the app stops nothing. */
import { useSyncExternalStore } from "react";
import { ApiError, signedOut } from "../api/calls";
import type { DocumentTarget, UploadRow } from "../api/types";
import { queryClient } from "../session/session";
import type { Found } from "./collect";
import { fateName, STATES, stateOfRows, type UploadState } from "./fates";
import { type FileKind, HEAD_BYTES, kindOfHead, kindOfName } from "./kinds";
import { type Sending, sendFile } from "./send";

const PARALLEL = 3;
const ATTEMPTS = 3;
const BACKOFF_MS = [1000, 4000];
const TELL_MS = 120;

const UNFINISHED: ReadonlySet<UploadState> = new Set(["waiting", "sending", "processing"]);

export interface Upload {
  id: number;
  path: string;
  file: File;
  kind: FileKind | null;
  state: UploadState;
  sentBytes: number;
  target: DocumentTarget | null;
  rows: UploadRow[];
  /** Why it was refused or failed: a code of the platform. */
  reason: string;
  attempts: number;
}

export interface Progress {
  uploads: readonly Upload[];
  states: Record<UploadState, number>;
  /** Instances by fate, over all files. */
  fates: Record<string, number>;
  left: number;
  sentBytes: number;
  totalBytes: number;
  bytesPerSecond: number;
  paused: boolean;
}

const isTransient = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);

class Uploads {
  private uploads: Upload[] = [];
  private sendings = new Map<number, Sending>();
  private listeners = new Set<() => void>();
  private paused = false;
  private nextId = 1;
  private telling: ReturnType<typeof setTimeout> | undefined;
  private speed = { at: 0, bytes: 0, rate: 0 };
  private progress: Progress = this.summed();

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  current = (): Progress => this.progress;

  add(found: Found[], target: DocumentTarget | null = null): number[] {
    const added = found.map(({ file, path }): Upload => {
      const kind = kindOfName(path);
      const reason = kind === "ignored" ? "ignored" : file.size === 0 ? "empty" : "";
      const state = kind === "ignored" ? "ignored" : file.size === 0 ? "refused" : this.firstState(kind, target);
      const own = kind === "document" || kind === null ? target : null;
      return { id: this.nextId++, path, file, kind, state, sentBytes: 0, target: own, rows: [], reason, attempts: 0 };
    });
    this.uploads = [...this.uploads, ...added];
    this.pump();
    return added.map((upload) => upload.id);
  }

  assign(target: DocumentTarget): void {
    for (const upload of this.uploads) {
      if (upload.state === "needs_target") Object.assign(upload, { target, state: "waiting" });
    }
    this.pump();
  }

  pause(): void {
    this.paused = true;
    this.tell();
  }

  resume(): void {
    this.paused = false;
    this.pump();
  }

  cancel(id?: number): void {
    for (const upload of this.uploads) {
      if (id !== undefined && upload.id !== id) continue;
      if (!UNFINISHED.has(upload.state) && upload.state !== "needs_target") continue;
      upload.state = "cancelled";
      this.sendings.get(upload.id)?.abort();
    }
    this.pump();
  }

  retry(id?: number): void {
    for (const upload of this.uploads) {
      const mine = id === undefined ? upload.state === "failed" : upload.id === id;
      if (!mine || UNFINISHED.has(upload.state)) continue;
      Object.assign(upload, {
        state: this.firstState(upload.kind, upload.target),
        reason: "",
        attempts: 0,
        sentBytes: 0,
        rows: [],
      });
    }
    this.pump();
  }

  clearDone(): void {
    const keep: ReadonlySet<UploadState> = new Set(["needs_target", "failed", "refused", ...UNFINISHED]);
    this.uploads = this.uploads.filter((upload) => keep.has(upload.state));
    this.tell();
  }

  private firstState(kind: FileKind | null, target: DocumentTarget | null): UploadState {
    return kind === "document" && !target ? "needs_target" : "waiting";
  }

  private pump(): void {
    while (!this.paused && this.sendings.size < PARALLEL) {
      const next = this.uploads.find((upload) => upload.state === "waiting");
      if (!next) break;
      next.state = "sending";
      // Taken at once, so that the loop counts it while its first bytes are read.
      this.sendings.set(next.id, { abort: () => undefined, rows: Promise.resolve([]) });
      void this.run(next);
    }
    this.tell();
  }

  private async run(upload: Upload): Promise<void> {
    try {
      if (upload.kind === null)
        upload.kind = kindOfHead(new Uint8Array(await upload.file.slice(0, HEAD_BYTES).arrayBuffer()));
      if (upload.kind === "document" && !upload.target) upload.state = "needs_target";
      if (upload.state !== "sending") return;
      const target = upload.kind === "document" ? upload.target : null;
      const sending = sendFile(upload.file, upload.path, target, (bytes) => this.sent(upload, bytes));
      this.sendings.set(upload.id, sending);
      upload.rows = await sending.rows;
      Object.assign(upload, {
        state: stateOfRows(upload.rows),
        reason: upload.rows.find((row) => row.reason)?.reason ?? "",
        sentBytes: upload.file.size,
      });
    } catch (error) {
      this.failed(upload, error);
    } finally {
      this.sendings.delete(upload.id);
      this.pump();
      if (this.summed().left === 0) void this.finished();
    }
  }

  private sent(upload: Upload, bytes: number): void {
    upload.sentBytes = bytes;
    if (upload.state === "sending" && bytes >= upload.file.size) upload.state = "processing";
    this.tell();
  }

  private failed(upload: Upload, error: unknown): void {
    if ((upload.state as UploadState) === "cancelled") return;
    upload.sentBytes = 0;
    if (error instanceof ApiError && error.status === 401) {
      // Signed out in the middle: nothing is lost, the queue waits for the person to come back.
      upload.state = "waiting";
      this.paused = true;
      signedOut();
      return;
    }
    upload.attempts += 1;
    upload.reason = error instanceof ApiError ? error.code : "unreadable";
    if (!isTransient(error)) {
      upload.state = "refused";
      return;
    }
    upload.state = "failed";
    const pauseMs = BACKOFF_MS[upload.attempts - 1];
    if (upload.attempts >= ATTEMPTS || pauseMs === undefined) return;
    setTimeout(() => {
      if (upload.state !== "failed") return;
      upload.state = "waiting";
      this.pump();
    }, pauseMs);
  }

  private async finished(): Promise<void> {
    await Promise.all(["exams", "exam", "conflicts"].map((key) => queryClient.invalidateQueries({ queryKey: [key] })));
  }

  /** Thousands of files tell their progress; the pages hear it eight times a second. */
  private tell(): void {
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.progress = this.summed();
      for (const listener of this.listeners) listener();
    }, TELL_MS);
  }

  private summed(): Progress {
    const states = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<UploadState, number>;
    const fates: Record<string, number> = {};
    let sentBytes = 0;
    let totalBytes = 0;
    for (const upload of this.uploads) {
      states[upload.state] += 1;
      for (const row of upload.rows) fates[fateName(row.fate)] = (fates[fateName(row.fate)] ?? 0) + 1;
      if (upload.state === "refused" && upload.rows.length === 0) fates.refused = (fates.refused ?? 0) + 1;
      if (upload.state === "cancelled" || upload.state === "ignored") continue;
      totalBytes += upload.file.size;
      sentBytes += UNFINISHED.has(upload.state) ? upload.sentBytes : upload.file.size;
    }
    const left = states.waiting + states.sending + states.processing;
    return {
      uploads: this.uploads,
      states,
      fates,
      left,
      sentBytes,
      totalBytes,
      bytesPerSecond: this.rate(sentBytes),
      paused: this.paused,
    };
  }

  private rate(sentBytes: number): number {
    const now = Date.now();
    const seconds = (now - this.speed.at) / 1000;
    if (seconds < 0.5) return this.speed.rate;
    const latest = Math.max(0, sentBytes - this.speed.bytes) / seconds;
    const rate = this.speed.at === 0 || seconds > 5 ? latest : this.speed.rate * 0.7 + latest * 0.3;
    this.speed = { at: now, bytes: sentBytes, rate };
    return rate;
  }
}

export const uploads = new Uploads();

export const useUploads = (): Progress => useSyncExternalStore(uploads.subscribe, uploads.current);

window.addEventListener("beforeunload", (event) => {
  if (uploads.current().left > 0) event.preventDefault();
});
