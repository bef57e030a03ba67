/** One file over the wire, with progress; fetch cannot tell how much it has sent. */
import { ApiError, csrfToken, errorFrom } from "../api/calls";
import type { DocumentTarget, UploadRow } from "../api/types";

export interface Sending {
  abort: () => void;
  rows: Promise<UploadRow[]>;
}

export function sendFile(
  file: File,
  name: string,
  target: DocumentTarget | null,
  onSent: (bytes: number) => void,
): Sending {
  const form = new FormData();
  for (const [field, value] of Object.entries(target ?? {})) form.append(field, value);
  form.append("file", file, name);
  const request = new XMLHttpRequest();
  const rows = new Promise<UploadRow[]>((resolve, reject) => {
    request.open("POST", "/api/v1/uploads");
    request.setRequestHeader("X-Archipel-CSRF", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => onSent(Math.min(event.loaded, file.size));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        try {
          resolve((JSON.parse(request.responseText) as { items: UploadRow[] }).items);
        } catch {
          reject(new ApiError("unknown", "bad-answer", request.status));
        }
        return;
      }
      reject(errorFrom(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new ApiError("unavailable", "no-answer", 0));
    request.onabort = () => reject(new ApiError("cancelled", "cancelled", 0));
    request.send(form);
  });
  return { abort: () => request.abort(), rows };
}
