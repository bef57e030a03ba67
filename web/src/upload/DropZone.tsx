import { Button, Group, Text } from "@mantine/core";
import { IconCloudUpload } from "@tabler/icons-react";
import { type DragEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { chosenFiles, droppedFiles, type Found } from "./collect";
import style from "./upload.module.css";

interface Props {
  title: string;
  text: string;
  small?: boolean;
  folders?: boolean;
  onFound: (found: Found[]) => void;
}

/** Drop or choose; a folder is walked through to its last file. */
export function DropZone({ title, text, small, folders, onFound }: Props) {
  const { t } = useTranslation();
  const [over, setOver] = useState(false);
  const [reading, setReading] = useState(0);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const drop = async (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    try {
      onFound(await droppedFiles(event.dataTransfer, setReading));
    } finally {
      setReading(0);
    }
  };
  const chosen = (input: HTMLInputElement) => {
    onFound(chosenFiles(input.files));
    input.value = "";
  };
  return (
    <section
      className={style.zone}
      aria-label={title}
      data-over={over || undefined}
      data-small={small || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {!small && <IconCloudUpload size={38} stroke={1.3} color="var(--app-accent)" aria-hidden />}
      <div>
        <Text fw={650} fz="md">
          {over ? t("upload.dropNow") : title}
        </Text>
        <Text size="sm" c="dimmed" role="status">
          {reading ? t("upload.reading", { count: reading }) : text}
        </Text>
      </div>
      <Group gap="xs" justify="center">
        <Button variant={small ? "default" : "filled"} onClick={() => files.current?.click()}>
          {t("upload.chooseFiles")}
        </Button>
        {folders && (
          <Button variant="default" onClick={() => folder.current?.click()}>
            {t("upload.chooseFolder")}
          </Button>
        )}
      </Group>
      <input
        ref={files}
        type="file"
        multiple
        hidden
        aria-label={t("upload.chooseFiles")}
        onChange={(event) => chosen(event.currentTarget)}
      />
      {folders && (
        <input
          ref={folder}
          type="file"
          multiple
          hidden
          aria-label={t("upload.chooseFolder")}
          onChange={(event) => chosen(event.currentTarget)}
          {...{ webkitdirectory: "" }}
        />
      )}
    </section>
  );
}
