import { Button, Text, TextInput } from "@mantine/core";
import { IconPlus, IconSearch } from "@tabler/icons-react";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Column, DataTable, type RowLook } from "../ui/DataTable";
import { Page } from "../ui/Page";
import { Empty, Failed, Loading } from "../ui/states";

interface Props<Row> {
  title: string;
  intro: string;
  add: string;
  /** Left out where the account may add nothing. */
  onAdd?: () => void;
  query: UseQueryResult<Row[]>;
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  /** What the filter box looks into; no box when left out. */
  text?: (row: Row) => string;
  search?: string;
  count: (rows: Row[]) => string;
  look?: (row: Row) => RowLook;
  empty: { icon: ReactNode; title: string; text: string };
  children?: ReactNode;
}

/** A list of the directory: filter, add, one table, and its dialogs as children. */
export function AdminList<Row>(props: Props<Row>) {
  const { title, intro, add, onAdd, query, columns, rowKey, text, search, count, look, empty, children } = props;
  const { t } = useTranslation();
  const [wanted, setWanted] = useState("");
  const all = query.data ?? [];
  const rows = text ? all.filter((row) => text(row).toLowerCase().includes(wanted.trim().toLowerCase())) : all;
  const addButton = onAdd && (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={onAdd}>
      {add}
    </Button>
  );
  return (
    <Page title={title} intro={intro} side={all.length > 0 && addButton}>
      <div
        className="panel"
        style={{ display: "flex", flexDirection: "column", flex: 1, minHeight: 0, overflow: "hidden" }}
      >
        {query.isPending ? (
          <Loading />
        ) : query.isError ? (
          <Failed error={query.error} onRetry={() => void query.refetch()} />
        ) : all.length === 0 ? (
          <Empty {...empty} action={addButton} />
        ) : (
          <>
            <div
              style={{
                display: "flex",
                alignItems: "center",
                gap: 12,
                padding: "8px 12px",
                borderBottom: "1px solid var(--app-line)",
              }}
            >
              {text && (
                <TextInput
                  type="search"
                  w={280}
                  aria-label={search ?? t("common.filter")}
                  placeholder={search ?? t("common.filter")}
                  leftSection={<IconSearch size={15} aria-hidden />}
                  value={wanted}
                  onChange={(event) => setWanted(event.currentTarget.value)}
                />
              )}
              <Text size="sm" c="dimmed" className="num" role="status">
                {count(rows)}
              </Text>
            </div>
            <DataTable label={title} columns={columns} rows={rows} rowKey={rowKey} look={look} />
          </>
        )}
      </div>
      {children}
    </Page>
  );
}
