import { Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { ExamDetail } from "../api/types";
import { nameOf } from "../exams/columns";
import { DropZone } from "../upload/DropZone";
import { UploadTable } from "../upload/UploadTable";
import { uploads, useUploads } from "../upload/uploads";

/** Documents that join this very exam. */
export function AddDocument({ exam, opened, onClose }: { exam: ExamDetail; opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const progress = useUploads();
  const [mine, setMine] = useState<ReadonlySet<number>>(new Set());
  const rows = progress.uploads.filter((upload) => mine.has(upload.id));
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      size="xl"
      title={t("exam.addDocument")}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <Stack gap="md">
        <Text size="sm">{t("target.fixed", { name: nameOf(exam, t) })}</Text>
        <DropZone
          title={t("target.chooseDocument")}
          text={t("target.formats")}
          small
          onFound={(found) => setMine(new Set([...mine, ...uploads.add(found, { study_uid: exam.study_uid })]))}
        />
        {rows.length > 0 && <UploadTable rows={rows} />}
      </Stack>
    </Modal>
  );
}
