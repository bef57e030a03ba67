import { IconArrowDown, IconArrowsSort, IconArrowUp } from "@tabler/icons-react";
import { type KeyboardEvent, type MouseEvent, type ReactNode, useRef } from "react";
import style from "./table.module.css";

export interface Column<Row> {
  key: string;
  header: ReactNode;
  /** The name of the sort key that the platform knows. */
  sort?: string;
  end?: boolean;
  tight?: boolean;
  width?: number | string;
  cell: (row: Row) => ReactNode;
}

export interface RowLook {
  isNew?: boolean;
  muted?: boolean;
  selected?: boolean;
}

interface Props<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  onOpen?: (row: Row, newTab: boolean) => void;
  onRowKey?: (row: Row, event: KeyboardEvent) => void;
  look?: (row: Row) => RowLook;
  /** `study_date`, or `-study_date` for descending. */
  sort?: string;
  onSort?: (sort: string) => void;
  fading?: boolean;
  /** Columns keep their width and the rest share what is left: nothing jumps from page to page. */
  fixed?: boolean;
  minWidth?: number;
  maxHeight?: number | string;
  className?: string;
}

const INTERACTIVE = "a, button, input, label, select, [role=menuitem], [role=checkbox]";

/** Arrow keys move the focus to the same control of the next row. */
function moveBetweenRows(event: KeyboardEvent<HTMLTableSectionElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const from = event.target as HTMLElement;
  const row = from.closest("tr");
  if (!step || !row || from instanceof HTMLInputElement) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLTableRowElement>(":scope > tr")];
  const next = all[all.indexOf(row) + step];
  if (!next) return;
  const controls = (of: HTMLElement) => [...of.querySelectorAll<HTMLElement>("a[href], button:not(:disabled)")];
  const target = controls(next)[controls(row).indexOf(from)] ?? controls(next)[0];
  if (!target) return;
  event.preventDefault();
  target.focus();
}

function SortHeader({ column, sort, onSort }: { column: Column<never>; sort: string; onSort: (sort: string) => void }) {
  const key = column.sort ?? "";
  const active = sort.replace(/^-/, "") === key;
  const descending = sort.startsWith("-");
  const Icon = active ? (descending ? IconArrowDown : IconArrowUp) : IconArrowsSort;
  return (
    <button
      type="button"
      className={style.sorter}
      data-active={active || undefined}
      onClick={() => onSort(active && !descending ? `-${key}` : key)}
    >
      {column.header}
      <Icon size={13} aria-hidden />
    </button>
  );
}

function ariaSort(column: { sort?: string }, sort: string): "ascending" | "descending" | "none" | undefined {
  if (!column.sort) return undefined;
  if (sort.replace(/^-/, "") !== column.sort) return "none";
  return sort.startsWith("-") ? "descending" : "ascending";
}

/** A dense table with a header that stays, real sort buttons and rows that the arrow keys walk through. */
export function DataTable<Row>(props: Props<Row>) {
  const {
    label,
    columns,
    rows,
    rowKey,
    onOpen,
    onRowKey,
    look,
    sort = "",
    onSort,
    fading,
    minWidth,
    maxHeight,
  } = props;
  const region = useRef<HTMLElement>(null);
  const open = (row: Row) => (event: MouseEvent) => {
    if (!onOpen || (event.target as HTMLElement).closest(INTERACTIVE)) return;
    if (window.getSelection()?.toString()) return;
    onOpen(row, event.ctrlKey || event.metaKey || event.button === 1);
  };
  return (
    <section
      ref={region}
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
      tabIndex={0}
      className={`${style.scroll} ${props.className ?? ""}`}
      style={{ maxHeight }}
    >
      <table
        className={`${style.table} ${fading ? style.fading : ""}`}
        style={{ minWidth, tableLayout: props.fixed ? "fixed" : undefined }}
      >
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.key}
                scope="col"
                style={{ width: column.width }}
                className={`${column.end ? style.end : ""} ${column.tight ? style.tight : ""}`}
                aria-sort={ariaSort(column, sort)}
              >
                {column.sort && onSort ? (
                  <SortHeader column={column as Column<never>} sort={sort} onSort={onSort} />
                ) : (
                  column.header
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody onKeyDown={moveBetweenRows}>
          {rows.map((row) => {
            const { isNew, muted, selected } = look?.(row) ?? {};
            return (
              <tr
                key={rowKey(row)}
                className={onOpen ? style.open : undefined}
                data-new={isNew}
                data-muted={muted}
                data-selected={selected}
                onClick={open(row)}
                onAuxClick={open(row)}
                onKeyDown={onRowKey && ((event) => onRowKey(row, event))}
              >
                {columns.map((column) => (
                  <td key={column.key} className={`${column.end ? style.end : ""} ${column.tight ? style.tight : ""}`}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
