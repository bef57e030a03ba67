import { Alert, Button, Checkbox, Group, Modal, Radio, Stack, Text, Textarea } from "@mantine/core";
import { IconInfoCircle } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { rejectExam } from "../api/calls";
import { FormError } from "../ui/errors";

/** Rejection reasons of IHE IOCM (DICOM CID 7011). */
const CODES = ["113001", "113037", "113038", "113039"] as const;

export interface RejectionTarget {
  seriesUid?: string;
  sopInstanceUids?: string[];
}

interface Props {
  studyUid: string;
  patient: string;
  target: RejectionTarget | null;
  onClose: () => void;
  onDone: () => void;
}

function Form({ studyUid, patient, target, onClose, onDone }: Props & { target: RejectionTarget }) {
  const { t } = useTranslation();
  const [code, setCode] = useState<string>("");
  const [comment, setComment] = useState("");
  const [sure, setSure] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      await rejectExam(studyUid, {
        code,
        comment: comment.trim(),
        series_uid: target.seriesUid,
        sop_instance_uids: target.sopInstanceUids,
      });
      onDone();
    } catch (reason) {
      setError(reason);
      setBusy(false);
    }
  };
  return (
    <Stack gap="md">
      <Text fw={650}>{patient}</Text>
      <Alert variant="light" color="orange" icon={<IconInfoCircle size={18} aria-hidden />} p="xs">
        <Text size="sm">{t("reject.consequence")}</Text>
      </Alert>
      <Radio.Group label={t("reject.reason")} value={code} onChange={setCode} withAsterisk={false} required>
        <Stack gap={8} mt={6}>
          {CODES.map((one) => (
            <Radio key={one} size="sm" value={one} label={t(`reject.code.${one}`)} />
          ))}
        </Stack>
      </Radio.Group>
      <Textarea
        label={t("common.comment")}
        description={t("reject.commentHint")}
        autosize
        minRows={2}
        value={comment}
        onChange={(event) => setComment(event.currentTarget.value)}
      />
      <Checkbox
        label={t("reject.understand")}
        checked={sure}
        onChange={(event) => setSure(event.currentTarget.checked)}
      />
      <FormError error={error} />
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onClose}>
          {t("common.cancel")}
        </Button>
        <Button color="red.8" disabled={!code || !sure} loading={busy} onClick={submit}>
          {t("reject.submit")}
        </Button>
      </Group>
    </Stack>
  );
}

export function RejectDialog(props: Props) {
  const { t } = useTranslation();
  const { target, onClose } = props;
  const count = target?.sopInstanceUids?.length ?? 0;
  const title = count
    ? t("reject.titleInstances", { count })
    : target?.seriesUid
      ? t("reject.titleSeries")
      : t("reject.titleExam");
  return (
    <Modal
      opened={target !== null}
      onClose={onClose}
      title={title}
      size="lg"
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      {target && <Form {...props} target={target} />}
    </Modal>
  );
}
