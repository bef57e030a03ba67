import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { FormError } from "./errors";

interface Props {
  opened: boolean;
  onClose: () => void;
  title: string;
  text?: ReactNode;
  confirm: string;
  danger?: boolean;
  act: () => Promise<void>;
}

/** Ask once, act, and stay open with the reason when it fails. */
export function Confirm({ opened, onClose, title, text, confirm, danger, act }: Props) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const close = () => {
    setError(null);
    onClose();
  };
  const go = async () => {
    setBusy(true);
    setError(null);
    try {
      await act();
      close();
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={opened} onClose={close} title={title} closeButtonProps={{ "aria-label": t("common.close") }}>
      <Stack gap="md">
        {text && <Text>{text}</Text>}
        <FormError error={error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            {t("common.cancel")}
          </Button>
          <Button color={danger ? "red.8" : undefined} loading={busy} onClick={go} data-autofocus>
            {confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
