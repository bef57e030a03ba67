import { ActionIcon, Anchor, Button, Group, Menu, Tabs, Text } from "@mantine/core";
import {
  IconArrowBackUp,
  IconArrowLeft,
  IconBan,
  IconDots,
  IconDownload,
  IconFilePlus,
  IconPhoto,
} from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams, useSearchParams } from "react-router";
import { archiveAddress, listInstances, readExam, undoRejection, viewerAddress } from "../api/calls";
import type { ExamDetail, Series } from "../api/types";
import { nameOf } from "../exams/columns";
import { lastList } from "../exams/lastList";
import { clockTime, day, instant } from "../format/values";
import { useMay } from "../session/session";
import { useShortcuts } from "../shell/shortcuts";
import { Confirm } from "../ui/Confirm";
import { CopyText } from "../ui/CopyText";
import { notifyDone } from "../ui/errors";
import { usePageTitle } from "../ui/Page";
import { Failed, Loading } from "../ui/states";
import { Modalities } from "../ui/Tag";
import { AddDocument } from "./AddDocument";
import style from "./exam.module.css";
import { FlagNotes } from "./FlagNotes";
import { Instances } from "./Instances";
import { Fact, PatientBanner } from "./PatientBanner";
import { RejectDialog, type RejectionTarget } from "./RejectDialog";
import { SeriesList } from "./SeriesList";
import { TagBrowser } from "./TagBrowser";
import { Trace } from "./Trace";

const ARRIVING_MS = 5000;

interface ActionsProps {
  exam: ExamDetail;
  onReject: () => void;
  onUndo: () => void;
  onDocument: () => void;
}

function Actions({ exam, onReject, onUndo, onDocument }: ActionsProps) {
  const { t } = useTranslation();
  const may = useMay();
  const rejected = exam.rejected || exam.series.some((series) => series.rejected);
  return (
    <Group gap="xs" wrap="nowrap">
      <Button
        component="a"
        href={viewerAddress(exam.study_uid)}
        target="_blank"
        rel="noopener"
        leftSection={<IconPhoto size={17} aria-hidden />}
      >
        {t("exam.openViewer")}
        <span className="hidden-visually"> ({t("common.opensNewTab")})</span>
      </Button>
      {may("exam.download") && (
        <Button
          component="a"
          href={archiveAddress(exam.study_uid)}
          download
          variant="default"
          leftSection={<IconDownload size={16} aria-hidden />}
        >
          {t("exam.download")}
        </Button>
      )}
      {(may("exam.store") || may("exam.reject")) && (
        <Menu position="bottom-end" shadow="md">
          <Menu.Target>
            <ActionIcon variant="default" size={36} aria-label={t("exam.more")}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {may("exam.store") && (
              <Menu.Item leftSection={<IconFilePlus size={16} />} onClick={onDocument}>
                {t("exam.addDocument")}
              </Menu.Item>
            )}
            {may("exam.reject") && !exam.rejected && (
              <Menu.Item leftSection={<IconBan size={16} />} c="var(--app-danger)" onClick={onReject}>
                {t("exam.rejectExam")}
              </Menu.Item>
            )}
            {may("exam.reject") && rejected && (
              <Menu.Item leftSection={<IconArrowBackUp size={16} />} onClick={onUndo}>
                {t("exam.undo")}
              </Menu.Item>
            )}
          </Menu.Dropdown>
        </Menu>
      )}
    </Group>
  );
}

function ExamFacts({ exam }: { exam: ExamDetail }) {
  const { t, i18n } = useTranslation();
  return (
    <dl className={style.strip} style={{ margin: 0 }} aria-label={t("exam.facts")}>
      <Fact name={t("exam.facts")}>
        <span style={{ display: "inline-flex", gap: 8, alignItems: "center" }}>
          <Modalities codes={exam.modalities} />
          {exam.description || t("exam.noDescription")}
        </span>
      </Fact>
      <Fact name={t("exam.date")}>{`${day(exam.study_date, i18n.language)} ${clockTime(exam.study_time)}`.trim()}</Fact>
      <Fact name={t("exam.accession")}>{exam.accession_number}</Fact>
      <Fact name={t("exam.site")}>{exam.site.name}</Fact>
      <Fact name={t("exam.received")}>{instant(exam.received_at, i18n.language)}</Fact>
      <Fact name={t("exam.studyUid")}>
        <span className={style.uid}>
          <CopyText value={exam.study_uid} label={t("exam.studyUid")} />
        </span>
      </Fact>
    </dl>
  );
}

function useChoice() {
  const [params, setParams] = useSearchParams();
  const choose = (change: Record<string, string | undefined>) => {
    const next = new URLSearchParams(params);
    for (const [name, value] of Object.entries(change)) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    setParams(next, { replace: true });
  };
  return {
    tab: params.get("tab") ?? "images",
    seriesUid: params.get("series"),
    instanceUid: params.get("instance"),
    choose,
  };
}

interface DetailProps {
  exam: ExamDetail;
  series: Series | undefined;
  onReject: (target: RejectionTarget) => void;
}

function Detail({ exam, series, onReject }: DetailProps) {
  const { t } = useTranslation();
  const may = useMay();
  const { tab, instanceUid, choose } = useChoice();
  const instances = useQuery({
    queryKey: ["instances", exam.study_uid, series?.series_uid, series?.instance_count],
    queryFn: ({ signal }) => listInstances(exam.study_uid, series?.series_uid ?? "", signal),
    enabled: Boolean(series),
  });
  const rows = instances.data ?? [];
  const chosen = rows.find((one) => one.sop_instance_uid === instanceUid) ?? rows[0];
  const waiting = series ? instances.isPending : false;
  const content = (page: React.ReactNode) => {
    if (waiting) return <Loading />;
    if (instances.isError) return <Failed error={instances.error} onRetry={() => void instances.refetch()} />;
    if (!chosen)
      return (
        <Text c="dimmed" p="md">
          {t("exam.instances.empty")}
        </Text>
      );
    return page;
  };
  return (
    <Tabs
      className={`panel ${style.detail}`}
      value={tab === "trace" && !may("audit.read") ? "images" : tab}
      onChange={(value) => choose({ tab: value && value !== "images" ? value : undefined })}
      keepMounted={false}
    >
      <Tabs.List>
        <Tabs.Tab value="images">{t("exam.tabImages")}</Tabs.Tab>
        <Tabs.Tab value="tags">{t("exam.tabTags")}</Tabs.Tab>
        {may("audit.read") && <Tabs.Tab value="trace">{t("exam.tabTrace")}</Tabs.Tab>}
      </Tabs.List>
      <Tabs.Panel value="images" className={style.detail} flex={1}>
        {content(
          series && (
            <Instances
              series={series}
              instances={rows}
              onTags={(uid) => choose({ tab: "tags", instance: uid })}
              onReject={(uids) => onReject({ seriesUid: series.series_uid, sopInstanceUids: uids })}
            />
          ),
        )}
      </Tabs.Panel>
      <Tabs.Panel value="tags" className={style.detail} flex={1}>
        {content(
          series && chosen && (
            <TagBrowser
              studyUid={exam.study_uid}
              seriesUid={series.series_uid}
              instances={rows}
              instanceUid={chosen.sop_instance_uid}
              onInstance={(uid) => choose({ instance: uid })}
            />
          ),
        )}
      </Tabs.Panel>
      <Tabs.Panel value="trace" className={style.detail} flex={1}>
        <Trace studyUid={exam.study_uid} />
      </Tabs.Panel>
    </Tabs>
  );
}

function ExamView({ exam }: { exam: ExamDetail }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { seriesUid, choose } = useChoice();
  const [rejecting, setRejecting] = useState<RejectionTarget | null>(null);
  const [undoing, setUndoing] = useState(false);
  const [adding, setAdding] = useState(false);
  const name = nameOf(exam, t);
  usePageTitle(name);
  useShortcuts({ v: () => window.open(viewerAddress(exam.study_uid), "_blank", "noopener") });
  const series = exam.series.find((one) => one.series_uid === seriesUid) ?? exam.series[0];
  const refresh = () =>
    Promise.all(["exam", "exams", "trace", "instances"].map((key) => client.invalidateQueries({ queryKey: [key] })));
  return (
    <>
      <PatientBanner exam={exam}>
        <Actions
          exam={exam}
          onReject={() => setRejecting({})}
          onUndo={() => setUndoing(true)}
          onDocument={() => setAdding(true)}
        />
      </PatientBanner>
      <ExamFacts exam={exam} />
      <FlagNotes exam={exam} />
      <div className={style.body}>
        <SeriesList
          series={exam.series}
          current={series?.series_uid}
          onChoose={(uid) => choose({ series: uid, instance: undefined })}
        />
        <Detail exam={exam} series={series} onReject={setRejecting} />
      </div>
      <RejectDialog
        studyUid={exam.study_uid}
        patient={name}
        target={rejecting}
        onClose={() => setRejecting(null)}
        onDone={() => {
          setRejecting(null);
          notifyDone(t("reject.done"));
          void refresh();
        }}
      />
      <Confirm
        opened={undoing}
        onClose={() => setUndoing(false)}
        title={t("exam.undoTitle")}
        text={t("exam.undoText")}
        confirm={t("exam.undo")}
        act={async () => {
          await undoRejection(exam.study_uid);
          notifyDone(t("exam.undone"));
          await refresh();
        }}
      />
      <AddDocument exam={exam} opened={adding} onClose={() => setAdding(false)} />
    </>
  );
}

export function ExamPage() {
  const { t } = useTranslation();
  const { studyUid = "" } = useParams();
  const list = lastList();
  const exam = useQuery({
    queryKey: ["exam", studyUid],
    queryFn: ({ signal }) => readExam(studyUid, signal),
    refetchInterval: ({ state }) => (state.data && !state.data.settled ? ARRIVING_MS : false),
  });
  return (
    <div className="page">
      <Anchor component={Link} to={`/exams${list.search}`} state={list.state} size="sm" className={style.back}>
        <IconArrowLeft size={15} aria-hidden />
        {t("exam.backToList")}
      </Anchor>
      {exam.isPending ? (
        <Loading />
      ) : exam.isError ? (
        <Failed error={exam.error} onRetry={() => void exam.refetch()} />
      ) : (
        <ExamView exam={exam.data} />
      )}
    </div>
  );
}
