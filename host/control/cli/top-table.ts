import type { HostView, MachineView } from "../hypervisor/schemas.js";
import { percent, printable, shortBytes, shortTime } from "./amounts.js";
import { limitOf } from "./answers.js";

/** What was read of a hypervisor, and when. */
export interface Reading {
  readonly timeMs: number;
  readonly host: HostView;
  readonly machines: readonly MachineView[];
}

/** A machine and what it did between two readings. */
export interface TopRow {
  readonly view: MachineView;
  /** Bytes a second. */
  readonly disk: number;
  readonly network: number;
}

interface Column {
  readonly title: string;
  readonly width: number;
  readonly isNumber: boolean;
  readonly cell: (row: TopRow, nowMs: number) => string;
  /** What rows are sorted by: numbers from the largest, texts from the first. */
  readonly key: (row: TopRow) => number | string;
}

const STATUS_WIDTH = 10;

/** From the most wanted to the least: a narrow terminal has the first ones. */
export const COLUMNS: readonly Column[] = [
  {
    title: "NAME",
    width: 20,
    isNumber: false,
    cell: ({ view }) => view.spec.name,
    key: ({ view }) => view.spec.name,
  },
  {
    title: "STATUS",
    width: STATUS_WIDTH,
    isNumber: false,
    cell: ({ view }) => view.status,
    key: ({ view }) => view.status,
  },
  number("CPU", 6, ({ view }) => view.load.processors, percent),
  number("SHARES", 7, ({ view }) => view.spec.cpu.shares, String),
  {
    title: "LIMIT",
    width: 6,
    isNumber: true,
    cell: ({ view }) => limitOf(view.spec.cpu.limit),
    key: ({ view }) => view.spec.cpu.limit ?? Number.POSITIVE_INFINITY,
  },
  number("STEAL", 6, ({ view }) => view.load.steal, percent),
  number("MEMORY", 9, ({ view }) => view.load.touchedByteLength, shortBytes),
  number("DISK/s", 9, ({ disk }) => disk, shortBytes),
  number("NET/s", 9, ({ network }) => network, shortBytes),
  {
    title: "UPTIME",
    width: 8,
    isNumber: true,
    cell: ({ view }, nowMs) => (view.startedAt === null ? "-" : shortTime(nowMs - view.startedAt)),
    key: ({ view }) => (view.startedAt === null ? 0 : Number.MAX_SAFE_INTEGER - view.startedAt),
  },
  { title: "POOL", width: 12, isNumber: false, cell: ({ view }) => view.spec.pool, key: ({ view }) => view.spec.pool },
];

/** What each machine did since the reading before; nothing is known of it with one reading. */
export function topRows(now: Reading, before: Reading | null): readonly TopRow[] {
  const seconds = before === null ? 0 : (now.timeMs - before.timeMs) / 1000;
  return now.machines.map((view) => {
    const old = before?.machines.find(({ spec, createdAt }) => {
      return spec.name === view.spec.name && createdAt === view.createdAt;
    });
    const rate = (of: (usage: MachineView["usage"]) => number) =>
      old === undefined || seconds <= 0 ? 0 : Math.max(0, of(view.usage) - of(old.usage)) / seconds;
    return {
      view,
      disk: rate((usage) => usage.diskReadBytes + usage.diskWrittenBytes),
      network: rate((usage) => usage.networkReceivedBytes + usage.networkSentBytes),
    };
  });
}

/** Rows by a column; the same ones by their names, so that nothing jumps. */
export function sortedRows(rows: readonly TopRow[], column: number, isReversed: boolean): readonly TopRow[] {
  const { key } = COLUMNS[column]!;
  const byName = (a: TopRow, b: TopRow) => compare(a.view.spec.name, b.view.spec.name);
  const sign = isReversed ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare(key(a), key(b)) || byName(a, b));
}

/** Columns that fit side by side; at least the first. */
export function columnsWithin(width: number): readonly Column[] {
  let used = 0;
  return COLUMNS.filter((column, index) => {
    used += column.width + (index === 0 ? 0 : 1);
    return index === 0 || used <= width;
  });
}

export function headLine(columns: readonly Column[], sortedBy: number, isReversed: boolean): string {
  const title = (column: Column) =>
    column === COLUMNS[sortedBy] ? `${column.title}${isReversed ? "^" : "v"}` : column.title;
  return columns.map((column) => fitted(title(column), column)).join(" ");
}

export function rowLine(row: TopRow, columns: readonly Column[], nowMs: number): string {
  return columns.map((column) => fitted(printable(column.cell(row, nowMs)), column)).join(" ");
}

function fitted(text: string, { isNumber, width }: Column): string {
  const cut = text.length > width ? `${text.slice(0, width - 1)}~` : text;
  return isNumber ? cut.padStart(width) : cut.padEnd(width);
}

function number(title: string, width: number, of: (row: TopRow) => number, show: (value: number) => string): Column {
  return { title, width, isNumber: true, cell: (row) => show(of(row)), key: of };
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : b > a ? 1 : -1;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}
