import { Button, Group, Radio, Stack, Text, Textarea, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { resolveConflict } from "../api/calls";
import type { Conflict } from "../api/types";
import { instant } from "../format/values";
import { FormError, notifyDone } from "../ui/errors";
import style from "./conflicts.module.css";
import { conflictWord } from "./words";

function Decided({ conflict }: { conflict: Conflict }) {
  const { t, i18n } = useTranslation();
  const resolution = conflict.resolution;
  if (!resolution) return null;
  return (
    <div>
      <Text size="sm" fw={600}>
        {conflictWord("action", resolution.action, t)}
      </Text>
      <Text size="sm" c="dimmed">
        {t("conflicts.resolvedBy", { actor: resolution.actor, date: instant(resolution.at, i18n.language) })}
      </Text>
      {resolution.comment && <Text size="sm">{resolution.comment}</Text>}
    </div>
  );
}

/** Each decision says what will happen before it is taken. */
export function Resolution({ conflict, onDone }: { conflict: Conflict; onDone: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [action, setAction] = useState(conflict.actions.length === 1 ? (conflict.actions[0] ?? "") : "");
  const [comment, setComment] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  if (conflict.state !== "open") return <Decided conflict={conflict} />;
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      await resolveConflict(conflict.id, action, comment.trim());
      notifyDone(t("conflicts.resolved"));
      await Promise.all(["conflicts", "exam", "exams"].map((key) => client.invalidateQueries({ queryKey: [key] })));
      onDone();
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack gap="sm" maw={640}>
      <Title order={2}>{t("conflicts.decide")}</Title>
      <Radio.Group aria-label={t("conflicts.choose")} value={action} onChange={setAction}>
        <div className={style.choices}>
          {conflict.actions.map((one) => (
            <Radio.Card key={one} value={one} p="9px 12px" radius="md">
              <Group wrap="nowrap" align="flex-start" gap="sm">
                <Radio.Indicator mt={1} />
                <div>
                  <Text size="sm" fw={600}>
                    {conflictWord("action", one, t)}
                  </Text>
                  <Text size="sm" c="dimmed">
                    {conflictWord("consequence", one, t)}
                  </Text>
                </div>
              </Group>
            </Radio.Card>
          ))}
        </div>
      </Radio.Group>
      <Textarea
        label={t("common.comment")}
        description={t("conflicts.commentHint")}
        autosize
        minRows={2}
        value={comment}
        onChange={(event) => setComment(event.currentTarget.value)}
      />
      <FormError error={error} />
      <Group>
        <Button disabled={!action} loading={busy} onClick={submit}>
          {t("conflicts.resolve")}
        </Button>
      </Group>
    </Stack>
  );
}
