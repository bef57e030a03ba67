/** Files of a drop or of a choice, folders walked through to their last file. */
export interface Found {
  file: File;
  /** With its folders, `exam/series/IM0001`. */
  path: string;
}

function batch(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

async function* walk(entry: FileSystemEntry): AsyncGenerator<Found> {
  if (entry.isFile) {
    yield { file: await fileOf(entry as FileSystemFileEntry), path: entry.fullPath.replace(/^\//, "") };
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // A browser answers a hundred entries at a time and an empty list at the end.
  for (let entries = await batch(reader); entries.length > 0; entries = await batch(reader)) {
    for (const child of entries) yield* walk(child);
  }
}

/** The entries have to be taken before the drop handler returns; the walk comes after. */
export async function droppedFiles(transfer: DataTransfer, onCount: (count: number) => void): Promise<Found[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = [...transfer.files];
  if (entries.every((entry) => entry === null)) return plain.map((file) => ({ file, path: file.name }));
  const found: Found[] = [];
  for (const entry of entries) {
    if (!entry) continue;
    for await (const one of walk(entry)) {
      found.push(one);
      if (found.length % 100 === 0) onCount(found.length);
    }
  }
  return found;
}

export function chosenFiles(list: FileList | null): Found[] {
  return [...(list ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}
