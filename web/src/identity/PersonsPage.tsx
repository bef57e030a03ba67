import { Anchor, Button, Group, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconSearch, IconUsersGroup } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams, useSearchParams } from "react-router";
import { type Decision, findPersons, type Person, readPerson, undoDecision, unlinkRecord } from "../api/identity";
import shared from "../conflicts/conflicts.module.css";
import { instant } from "../format/values";
import { Confirm } from "../ui/Confirm";
import { notifyDone } from "../ui/errors";
import { Page } from "../ui/Page";
import { Empty, Failed, Loading } from "../ui/states";
import { Tag } from "../ui/Tag";
import { born } from "./born";
import { RecordHead } from "./RecordHead";
import { fullName, identityWord } from "./words";

function Entry({ person, current, search }: { person: Person; current: boolean; search: string }) {
  const { t, i18n } = useTranslation();
  return (
    <li>
      <Link
        to={{ pathname: `/identity/persons/${person.id}`, search }}
        className={shared.entry}
        aria-current={current ? "true" : undefined}
      >
        <b className="clip" style={{ fontWeight: 600 }}>
          {fullName(person.best) || person.best.id}
        </b>
        <div className={`${shared.soft} num clip`}>
          {[born(person.best.birth_date, i18n.language), person.best.site_name].filter(Boolean).join(" · ")}
          {person.record_count > 1 && ` · ${t("identity.records", { count: person.record_count })}`}
        </div>
      </Link>
    </li>
  );
}

type Asked = { kind: "undo"; decision: Decision } | { kind: "unlink"; key: string };

function Detail({ id }: { id: string }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const [asked, setAsked] = useState<Asked | null>(null);
  const query = useQuery({ queryKey: ["identity", "person", id], queryFn: ({ signal }) => readPerson(id, signal) });
  if (query.isPending) return <Loading />;
  if (query.isError) return <Failed error={query.error} onRetry={() => void query.refetch()} />;
  const person = query.data;
  const name = (key: string | null) => {
    const found = person.records.find((record) => record.key === key);
    return found ? `${found.id} (${found.site_name})` : t("identity.otherRecord");
  };
  const act = async () => {
    if (asked?.kind === "undo") await undoDecision(asked.decision.id);
    if (asked?.kind === "unlink") await unlinkRecord(asked.key);
    notifyDone(t(`identity.done.${asked?.kind ?? "undo"}`));
    await client.invalidateQueries({ queryKey: ["identity"] });
  };
  return (
    <section className={`panel ${shared.detail}`} aria-labelledby="person-title">
      <Stack gap="md">
        <div>
          <Title order={2} id="person-title">
            {fullName(person.best) || person.best.id}
          </Title>
          <Text size="sm" c="dimmed" className="num">
            {born(person.best.birth_date, i18n.language)}
          </Text>
        </div>
        <table className={shared.compare}>
          <tbody>
            {person.records.map((record) => (
              <tr key={record.key}>
                <td style={{ width: "38%" }}>
                  <RecordHead record={record} />
                </td>
                <td>
                  {fullName(record)}
                  <div className="num">
                    {[born(record.birth_date, i18n.language), record.sex, record.birth_place_insee]
                      .filter(Boolean)
                      .join(" · ")}
                  </div>
                  {record.ins && <div className="mono">{record.ins}</div>}
                </td>
                <td style={{ width: 130, textAlign: "right" }}>
                  {person.records.length > 1 && (
                    <Button
                      variant="default"
                      size="xs"
                      onClick={() => setAsked({ kind: "unlink", key: record.key })}
                      aria-label={`${t("identity.unlink")} ${name(record.key)}`}
                    >
                      {t("identity.unlink")}
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <Title order={3}>{t("identity.decisions")}</Title>
        {person.decisions.length === 0 && <Text size="sm">{t("identity.noDecisions")}</Text>}
        {person.decisions.length > 0 && (
          <table className={shared.compare}>
            <tbody>
              {person.decisions.map((one) => (
                <tr key={one.id}>
                  <td>
                    <Group gap={6}>
                      <b style={{ fontWeight: 600 }}>{identityWord("kind", one.kind, t)}</b>
                      {one.automatic && <Tag tone="info">{t("identity.automatic")}</Tag>}
                      {one.undone && <Tag tone="warn">{t("identity.undone")}</Tag>}
                    </Group>
                    <div>
                      {name(one.record_key)}
                      {one.target_key && ` → ${name(one.target_key)}`}
                    </div>
                    {one.comment && <div className={shared.soft}>{one.comment}</div>}
                  </td>
                  <td className={`${shared.soft} num`}>
                    {one.actor}
                    <br />
                    {instant(one.made_at, i18n.language)}
                  </td>
                  <td style={{ width: 130, textAlign: "right" }}>
                    {!one.undone && (
                      <Button variant="default" size="xs" onClick={() => setAsked({ kind: "undo", decision: one })}>
                        {t("identity.undo")}
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Stack>
      <Confirm
        opened={asked !== null}
        onClose={() => setAsked(null)}
        title={asked?.kind === "unlink" ? t("identity.unlinkTitle") : t("identity.undoTitle")}
        text={asked?.kind === "unlink" ? t("identity.unlinkText") : t("identity.undoText")}
        confirm={asked?.kind === "unlink" ? t("identity.unlink") : t("identity.undo")}
        act={act}
      />
    </section>
  );
}

export function PersonsPage() {
  const { t } = useTranslation();
  const { id } = useParams();
  const [params, setParams] = useSearchParams();
  const q = params.get("q") ?? "";
  const [typed, setTyped] = useState(q);
  const query = useQuery({
    queryKey: ["identity", "persons", q],
    queryFn: ({ signal }) => findPersons(q, signal),
    enabled: q !== "",
  });
  const rows = query.data?.items ?? [];
  const current = id ?? rows[0]?.id;
  return (
    <Page
      title={t("identity.persons")}
      intro={t("identity.personsIntro")}
      side={
        <Anchor component={Link} to="/identity/proposals" size="sm" fw={600}>
          {t("identity.toProposals")}
        </Anchor>
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setParams(typed.trim() ? { q: typed.trim() } : {});
        }}
      >
        <TextInput
          maw={560}
          mb="sm"
          type="search"
          aria-label={t("identity.search")}
          placeholder={t("identity.searchHint")}
          leftSection={<IconSearch size={16} aria-hidden />}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
      </form>
      {q !== "" && query.isPending ? (
        <Loading />
      ) : query.isError ? (
        <Failed error={query.error} onRetry={() => void query.refetch()} />
      ) : !current ? (
        <div className="panel" style={{ flex: 1 }}>
          <Empty
            icon={<IconUsersGroup size={36} stroke={1.4} />}
            title={q ? t("identity.nobody") : t("identity.searchFirst")}
            text={q ? t("identity.nobodyText") : undefined}
          />
        </div>
      ) : (
        <div className={shared.body}>
          <nav className="panel" aria-label={t("identity.persons")} style={{ minHeight: 0, display: "flex" }}>
            <ul className={shared.list} style={{ flex: 1 }}>
              {rows.map((person) => (
                <Entry key={person.id} person={person} current={person.id === current} search={params.toString()} />
              ))}
            </ul>
          </nav>
          <Detail id={current} />
        </div>
      )}
    </Page>
  );
}
