import type { FileReport, HistoryReport, SnapshotReport } from "../snapshot/file-report.js";
import { formatByteLength } from "./byte-length.js";
import { printable } from "./cli/amounts.js";

/** Lines that say to a person what is in a machine file. */
export function formatFileReport(report: FileReport, fileByteLength: number): readonly string[] {
  const { board } = report;
  const lines = [
    `made ${date(report.createdMs)} by ${printable(report.writtenBy)}, format version ${report.formatVersion}`,
    `${size(fileByteLength)} with ${report.chunkCount} chunks of memory and disks, ${size(report.chunkByteLength)} compressed`,
  ];
  if (board !== null) {
    const harts = `${board.hartCount} ${board.hartCount === 1 ? "hart" : "harts"}`;
    lines.push(`machine: ${harts}, ${formatByteLength(board.memoryByteLength)} of memory, ${board.clock} clock`);
    for (const [index, drive] of board.drives.entries()) {
      const where = drive.captured ? "" : ", kept elsewhere";
      lines.push(`disk${index}: ${size(drive.byteLength)}${drive.readOnly ? ", read-only" : ""}${where}`);
    }
  }
  lines.push("snapshots (* is where the machine goes on):");
  lines.push(...tree(report.snapshots, null, 0));
  if (report.histories.length > 0) lines.push("recorded histories:");
  return [...lines, ...report.histories.map(historyLine)];
}

function historyLine({ id, startedMs, instructions, points, byteLength, stateHash, halt }: HistoryReport): string {
  const from = points[0]?.instructions ?? "?";
  const end = stateHash === null ? "cut off" : `${halt}, state ${stateHash}`;
  return `  ${id}  ${date(startedMs)}  instructions ${from} to ${instructions}, ${size(byteLength)}, ${end}`;
}

/** A snapshot, then indented what was reached from it. */
function tree(snapshots: readonly SnapshotReport[], parent: number | null, depth: number): string[] {
  return snapshots
    .filter((snapshot) => snapshot.parent === parent)
    .flatMap((snapshot) => [line(snapshot, depth), ...tree(snapshots, snapshot.id, depth + 1)]);
}

function line(snapshot: SnapshotReport, depth: number): string {
  const name = `${"  ".repeat(Math.min(depth, MAX_INDENT))}${snapshot.present ? "*" : "-"} ${snapshot.name ?? `#${snapshot.id}`}`;
  const sizes = `${size(snapshot.contentByteLength)}, ${size(snapshot.ownByteLength)} of the file its own`;
  return `  ${name.padEnd(NAME_WIDTH)} ${date(snapshot.takenMs)}  ${sizes}  ${snapshot.hash.slice(0, HASH_LENGTH)}`;
}

const NAME_WIDTH = 28;
const MAX_INDENT = 20;
const HASH_LENGTH = 12;
const MIB = 1024 * 1024;

function size(byteLength: number): string {
  return `${(byteLength / MIB).toFixed(1)} MiB`;
}

function date(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}
