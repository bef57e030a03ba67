import { ActionIcon, Alert, Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { IconDeviceMobile, IconFingerprint, IconPencil, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate, useSearchParams } from "react-router";
import { signOut } from "../api/calls";
import {
  beginTotp,
  type Enrolment,
  type Factor,
  type Factors,
  makeRecoveryCodes,
  readFactors,
  removeFactor,
  renameFactor,
} from "../api/signin";
import { instant } from "../format/values";
import { Confirm } from "../ui/Confirm";
import { FormError, notifyError } from "../ui/errors";
import { Failed, Loading } from "../ui/states";
import { AddFactor } from "./AddFactor";
import { Frame } from "./Frame";
import { hasPasskeys } from "./passkey";
import { RecoveryCodes } from "./RecoveryCodes";
import { safeReturn } from "./return";
import { end, enrolled, useSession } from "./session";

function Row({ factor, locked, onRename, onRemove }: RowProps) {
  const { t, i18n } = useTranslation();
  const Icon = factor.kind === "totp" ? IconDeviceMobile : IconFingerprint;
  const used = instant(factor.used_at, i18n.language);
  return (
    <Group component="li" wrap="nowrap" gap="sm">
      <Icon size={22} stroke={1.6} aria-hidden style={{ flex: "none" }} />
      <div style={{ flex: 1, minWidth: 0 }}>
        <Text fw={600} className="clip">
          {factor.name}
        </Text>
        <Text size="xs" c="dimmed">
          {factor.kind === "totp" ? t("factors.app") : t("factors.passkey")} ·{" "}
          {used ? t("factors.used", { when: used }) : t("factors.neverUsed")}
        </Text>
      </div>
      <ActionIcon
        variant="subtle"
        color="gray"
        c="var(--mantine-color-dimmed)"
        disabled={locked}
        aria-label={t("factors.rename", { name: factor.name })}
        onClick={onRename}
      >
        <IconPencil size={17} />
      </ActionIcon>
      <ActionIcon
        variant="subtle"
        color="gray"
        c="var(--mantine-color-dimmed)"
        disabled={locked}
        aria-label={t("factors.remove", { name: factor.name })}
        onClick={onRemove}
      >
        <IconTrash size={17} />
      </ActionIcon>
    </Group>
  );
}

interface RowProps {
  factor: Factor;
  locked: boolean;
  onRename: () => void;
  onRemove: () => void;
}

function Rename({ factor, onDone }: { factor: Factor; onDone: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState(factor.name);
  const [error, setError] = useState<unknown>(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    renameFactor(factor.id, name).then(onDone, setError);
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <TextInput
          label={t("factors.name")}
          data-autofocus
          required
          withAsterisk={false}
          maxLength={60}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <FormError error={error} />
        <Group justify="flex-end">
          <Button type="submit">{t("common.save")}</Button>
        </Group>
      </Stack>
    </form>
  );
}

type Doing = { add: Enrolment | null } | { codes: string[] } | null;

function List({ data, again, onDoing }: { data: Factors; again: () => void; onDoing: (doing: Doing) => void }) {
  const { t } = useTranslation();
  const [renaming, setRenaming] = useState<Factor | null>(null);
  const [removing, setRemoving] = useState<Factor | null>(null);
  const left = data.recovery_codes_left;
  return (
    <Stack gap="md">
      {data.factors.length ? (
        <Stack component="ul" gap="sm" style={{ listStyle: "none", margin: 0, padding: 0 }}>
          {data.factors.map((factor) => (
            <Row
              key={factor.id}
              factor={factor}
              locked={!data.fresh}
              onRename={() => setRenaming(factor)}
              onRemove={() => setRemoving(factor)}
            />
          ))}
        </Stack>
      ) : (
        <Text size="sm">{t("factors.none")}</Text>
      )}
      {data.fresh && (
        <Stack gap="xs">
          <Button
            variant="default"
            leftSection={<IconDeviceMobile size={17} aria-hidden />}
            onClick={() => void beginTotp().then((add) => onDoing({ add }), notifyError)}
          >
            {t("factors.addApp")}
          </Button>
          {data.passkeys && hasPasskeys() && (
            <Button
              variant="default"
              leftSection={<IconFingerprint size={17} aria-hidden />}
              onClick={() => onDoing({ add: null })}
            >
              {t("factors.addPasskey")}
            </Button>
          )}
        </Stack>
      )}
      {data.factors.length > 0 && (
        <Group justify="space-between" gap="xs">
          <Text size="sm" c={left < 3 ? "var(--app-danger)" : "dimmed"}>
            {t("factors.recoveryLeft", { count: left })}
          </Text>
          {data.fresh && (
            <Button
              variant="subtle"
              size="compact-sm"
              onClick={() =>
                void makeRecoveryCodes().then(({ recovery_codes }) => onDoing({ codes: recovery_codes }), notifyError)
              }
            >
              {t("factors.newCodes")}
            </Button>
          )}
        </Group>
      )}
      <Modal
        opened={renaming !== null}
        onClose={() => setRenaming(null)}
        title={t("factors.renameTitle")}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        {renaming && (
          <Rename
            factor={renaming}
            onDone={() => {
              setRenaming(null);
              again();
            }}
          />
        )}
      </Modal>
      <Confirm
        opened={removing !== null}
        onClose={() => setRemoving(null)}
        title={t("factors.removeTitle", { name: removing?.name })}
        text={data.factors.length === 1 ? t("factors.removeLast") : t("factors.removeText")}
        confirm={t("common.remove")}
        danger
        act={async () => {
          if (removing) await removeFactor(removing.id);
          again();
        }}
      />
    </Stack>
  );
}

/** One's own second factors: from the account menu, and before anything else where the site asks for one. */
export function FactorsPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const { second_factor_due: due, demo } = useSession();
  const { data, error, refetch } = useQuery({
    queryKey: ["factors"],
    queryFn: ({ signal }) => readFactors(signal),
    staleTime: 0,
  });
  const [doing, setDoing] = useState<Doing>(null);
  const next = safeReturn(params.get("next"));
  const again = () => void refetch();
  const done = () => {
    setDoing(null);
    again();
    if (due) {
      enrolled();
      navigate(next, { replace: true });
    }
  };
  const signInAgain = async () => {
    await signOut().catch(() => undefined);
    end();
    navigate(due ? "/sign-in" : "/sign-in?next=%2Fsecond-factors", { replace: true });
  };
  if (error) return <Failed error={error} onRetry={again} />;
  if (!data) return <Loading />;
  return (
    <Frame title={t("factors.title")}>
      {doing && "codes" in doing ? (
        <RecoveryCodes codes={doing.codes} onKept={done} />
      ) : doing ? (
        <AddFactor
          enrolment={doing.add}
          onAdded={(codes) => (codes.length ? setDoing({ codes }) : done())}
          onCancel={() => setDoing(null)}
        />
      ) : (
        <Stack gap="md">
          <Text size="sm" c="dimmed">
            {due ? t("factors.due") : data.required ? t("factors.required") : t("factors.intro")}
          </Text>
          {!data.fresh && demo && <Text size="sm">{t("factors.demo")}</Text>}
          {!data.fresh && !demo && (
            <Alert variant="light">
              <Text size="sm" mb="xs">
                {t("factors.stale")}
              </Text>
              <Button size="xs" onClick={() => void signInAgain()}>
                {t("factors.signInAgain")}
              </Button>
            </Alert>
          )}
          <List data={data} again={again} onDoing={setDoing} />
          <Group justify="flex-end">
            <Button variant="default" onClick={() => (due ? void signInAgain() : navigate("/exams"))}>
              {due ? t("account.signOut") : t("common.close")}
            </Button>
          </Group>
        </Stack>
      )}
    </Frame>
  );
}
