import { Button, Group, SegmentedControl, Stack, Text, Title } from "@mantine/core";
import { IconCircleCheck, IconUsersGroup } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { listProposals, type Proposal, readProposal, STATES } from "../api/identity";
import { differingPart } from "../conflicts/compare";
import shared from "../conflicts/conflicts.module.css";
import { Page } from "../ui/Page";
import { Empty, Failed, Loading } from "../ui/states";
import { Tag } from "../ui/Tag";
import { born } from "./born";
import style from "./identity.module.css";
import { RecordHead } from "./RecordHead";
import { Verdicts } from "./Verdicts";
import { fullName, identityWord } from "./words";

const AGAINST = /differs$|doubtful$/;

function Entry({ proposal, current, search }: { proposal: Proposal; current: boolean; search: string }) {
  const { t, i18n } = useTranslation();
  return (
    <li>
      <Link
        to={{ pathname: `/identity/proposals/${proposal.id}`, search }}
        className={shared.entry}
        aria-current={current ? "true" : undefined}
      >
        <Group gap={7} wrap="nowrap">
          <b className="clip" style={{ fontWeight: 600 }}>
            {fullName(proposal.low) || proposal.low.id}
          </b>
          <span className={`${style.score} num`} title={t("identity.score")}>
            {proposal.score}
          </span>
        </Group>
        <div className="clip">{fullName(proposal.high) || proposal.high.id}</div>
        <div className={`${shared.soft} num clip`}>
          {born(proposal.low.birth_date ?? proposal.high.birth_date, i18n.language)} · {proposal.low.site_name} –{" "}
          {proposal.high.site_name}
        </div>
      </Link>
    </li>
  );
}

function Cell({ own, other, marked }: { own: string; other: string; marked: boolean }) {
  const { t } = useTranslation();
  if (!own) return <span className={shared.soft}>{t("identity.notSaid")}</span>;
  if (!marked) return own;
  const { before, middle, after } = differingPart(own, other);
  return (
    <>
      {before}
      {middle && <mark>{middle}</mark>}
      {after}
    </>
  );
}

/** Both records in two columns; what differs is marked, in colour and in weight. */
function Beside({ proposal }: { proposal: Proposal }) {
  const { t, i18n } = useTranslation();
  const shown = (trait: string, value: string) => {
    if (trait === "birth_date") return born(value, i18n.language);
    return trait === "sex" ? t(`identity.sex.${value}`, { defaultValue: value }) : value;
  };
  return (
    <table className={shared.compare}>
      <thead>
        <tr>
          <th scope="col" style={{ width: "26%" }}>
            {t("identity.trait.name")}
          </th>
          {(
            [
              ["low", proposal.low, proposal.low_person],
              ["high", proposal.high, proposal.high_person],
            ] as const
          ).map(([side, record, person]) => (
            <th scope="col" key={side} className={style.head}>
              <RecordHead record={record} person={person} />
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {proposal.traits.map((line) => {
          const low = shown(line.trait, line.low);
          const high = shown(line.trait, line.high);
          const differs = line.same === false;
          return (
            <tr key={line.trait} data-differs={differs || undefined}>
              <th scope="row">
                {identityWord("trait", line.trait, t)}
                {differs && <span className="hidden-visually"> ({t("conflicts.differs")})</span>}
              </th>
              <td>
                <Cell own={low} other={high} marked={differs} />
              </td>
              <td>
                <Cell own={high} other={low} marked={differs} />
              </td>
            </tr>
          );
        })}
        {(proposal.low.ins || proposal.high.ins) && (
          <tr
            data-differs={
              (proposal.low.ins && proposal.high.ins && proposal.low.ins !== proposal.high.ins) || undefined
            }
          >
            <th scope="row">{t("identity.trait.ins")}</th>
            {[proposal.low, proposal.high].map((record) => (
              <td key={record.key} className="mono">
                {record.ins ?? <span className={shared.soft}>{t("identity.notSaid")}</span>}
              </td>
            ))}
          </tr>
        )}
      </tbody>
    </table>
  );
}

function Detail({ proposal, onDone }: { proposal: Proposal; onDone: () => void }) {
  const { t } = useTranslation();
  return (
    <section className={`panel ${shared.detail}`} aria-labelledby="proposal-title">
      <Stack gap="md">
        <div>
          <Title order={2} id="proposal-title">
            {t("identity.question")}
          </Title>
          <Text size="sm" c="dimmed">
            {t("identity.questionText")}
          </Text>
        </div>
        <div className={style.reasons}>
          <Tag tone="info">{t("identity.scoreOf", { score: proposal.score })}</Tag>
          {proposal.reasons.map((reason) => (
            <Tag key={reason} tone={AGAINST.test(reason) ? "warn" : "quiet"}>
              {identityWord("reason", reason, t)}
            </Tag>
          ))}
        </div>
        <Beside proposal={proposal} />
        <Verdicts key={`${proposal.id} ${proposal.state}`} proposal={proposal} onDone={onDone} />
      </Stack>
    </section>
  );
}

export function ProposalsPage() {
  const { t } = useTranslation();
  const { id } = useParams();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const state = STATES.find((one) => one === params.get("state")) ?? "open";
  const query = useInfiniteQuery({
    queryKey: ["identity", "proposals", state],
    queryFn: ({ pageParam, signal }) => listProposals(state, pageParam, signal),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const wanted = id ?? rows[0]?.id;
  const one = useQuery({
    queryKey: ["identity", "proposal", wanted],
    queryFn: ({ signal }) => readProposal(wanted ?? "", signal),
    enabled: Boolean(wanted),
  });
  const current = one.data ?? rows.find((proposal) => proposal.id === wanted);
  const open = (next: string) =>
    navigate({ pathname: "/identity/proposals", search: next === "open" ? "" : `?state=${next}` });
  return (
    <Page
      title={t("identity.title")}
      intro={t("identity.intro")}
      side={
        <>
          <Button component={Link} to="/identity/persons" variant="default" size="xs">
            {t("identity.persons")}
          </Button>
          <SegmentedControl
            size="xs"
            aria-label={t("common.state")}
            value={state}
            onChange={open}
            data={STATES.map((one) => ({ value: one, label: t(`identity.states.${one}`) }))}
          />
        </>
      }
    >
      {query.isPending ? (
        <Loading />
      ) : query.isError ? (
        <Failed error={query.error} onRetry={() => void query.refetch()} />
      ) : one.isError ? (
        <Failed error={one.error} onRetry={() => void one.refetch()} />
      ) : !current ? (
        <div className="panel" style={{ flex: 1 }}>
          <Empty
            icon={
              state === "open" ? <IconCircleCheck size={36} stroke={1.4} /> : <IconUsersGroup size={36} stroke={1.4} />
            }
            title={t(`identity.empty.${state}`)}
            text={state === "open" ? t("identity.emptyText") : undefined}
          />
        </div>
      ) : (
        <div className={shared.body}>
          <nav className="panel" aria-label={t("identity.title")} style={{ minHeight: 0, display: "flex" }}>
            <ul className={shared.list} style={{ flex: 1 }}>
              {rows.map((proposal) => (
                <Entry
                  key={proposal.id}
                  proposal={proposal}
                  current={proposal.id === current.id}
                  search={params.toString()}
                />
              ))}
              {query.hasNextPage && (
                <li>
                  <Button
                    variant="subtle"
                    size="xs"
                    fullWidth
                    loading={query.isFetchingNextPage}
                    onClick={() => void query.fetchNextPage()}
                  >
                    {t("identity.more")}
                  </Button>
                </li>
              )}
            </ul>
          </nav>
          <Detail proposal={current} onDone={() => open(state)} />
        </div>
      )}
    </Page>
  );
}
