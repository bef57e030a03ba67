import { Button, Group, Stack, Text, Textarea } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { decideProposal, type Proposal, undoDecision, type Verdict } from "../api/identity";
import { instant } from "../format/values";
import { FormError, notifyDone } from "../ui/errors";

/** Link, different, later; what was linked can be undone, and what was put aside can be decided anew. */
export function Verdicts({ proposal, onDone }: { proposal: Proposal; onDone: () => void }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const [comment, setComment] = useState("");
  const [busy, setBusy] = useState("");
  const [error, setError] = useState<unknown>(null);
  const act = async (name: string, done: string, change: () => Promise<unknown>) => {
    setBusy(name);
    setError(null);
    try {
      await change();
      notifyDone(done);
      await client.invalidateQueries({ queryKey: ["identity"] });
      onDone();
    } catch (reason) {
      setError(reason);
    } finally {
      setBusy("");
    }
  };
  const verdict = (one: Verdict) => () =>
    act(one, t(`identity.done.${one}`), () => decideProposal(proposal.id, one, comment.trim()));
  const isLinked = proposal.state === "linked";
  return (
    <Stack gap="sm" maw={640}>
      {proposal.decided_at && (
        <Text size="sm" c="dimmed">
          {t(`identity.states.${proposal.state}`)} ·{" "}
          {t("identity.decidedBy", {
            actor: proposal.decided_by || t("identity.platform"),
            date: instant(proposal.decided_at, i18n.language),
          })}
        </Text>
      )}
      {!isLinked && (
        <Textarea
          label={t("common.comment")}
          autosize
          minRows={2}
          maxLength={2000}
          value={comment}
          onChange={(event) => setComment(event.currentTarget.value)}
        />
      )}
      <FormError error={error} />
      {isLinked ? (
        <Group>
          <Button
            variant="default"
            disabled={!proposal.decision_id}
            loading={busy === "undo"}
            onClick={() => act("undo", t("identity.done.undo"), () => undoDecision(proposal.decision_id ?? ""))}
          >
            {t("identity.undo")}
          </Button>
        </Group>
      ) : (
        <Group>
          <Button loading={busy === "link"} disabled={Boolean(busy)} onClick={verdict("link")}>
            {t("identity.verdict.link")}
          </Button>
          {proposal.state !== "different" && (
            <Button
              variant="default"
              loading={busy === "different"}
              disabled={Boolean(busy)}
              onClick={verdict("different")}
            >
              {t("identity.verdict.different")}
            </Button>
          )}
          {proposal.state !== "later" && (
            <Button variant="subtle" loading={busy === "later"} disabled={Boolean(busy)} onClick={verdict("later")}>
              {t("identity.verdict.later")}
            </Button>
          )}
        </Group>
      )}
    </Stack>
  );
}
