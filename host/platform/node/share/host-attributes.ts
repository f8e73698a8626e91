import type { BigIntStats } from "node:fs";
import { performance } from "node:perf_hooks";
import type { AttributeChange, FileAttributes } from "../../../share/shared-folder.js";
import type { Owners } from "./owners.js";

const SETUID_AND_SETGID = 0o6000;
const NS_PER_US = 1000n;
const US_PER_MS = 1000;
const US_PER_S = 1_000_000;

/** The attributes of a file of the host, as a guest sees them. @param rootDevice the one that the folder itself is on */
export function attributesOf(stat: BigIntStats, rootDevice: bigint, owners: Owners): FileAttributes {
  return {
    identity: stat.dev === rootDevice ? stat.ino : mixed(stat.dev, stat.ino),
    mode: Number(stat.mode),
    uid: owners.guestUid(Number(stat.uid)),
    gid: owners.guestGid(Number(stat.gid)),
    linkCount: Number(stat.nlink),
    deviceNumber: stat.rdev,
    byteLength: Number(stat.size),
    blockByteLength: Number(stat.blksize),
    sectorCount: Number(stat.blocks),
    accessedNs: stat.atimeNs,
    modifiedNs: stat.mtimeNs,
    changedNs: stat.ctimeNs,
  };
}

/** A file on another device that is mounted within the folder: inode numbers alone would say it is another file. */
function mixed(device: bigint, inode: bigint): bigint {
  return BigInt.asUintN(64, inode ^ ((device + 1n) * 0x9e37_79b9_7f4a_7c15n));
}

/**
 * The permissions that a guest may give a file: all for a directory, but no setuid and setgid for a file. They would let
 * the guest make programs that run as the operator, or as root, for every other user of the host.
 */
export function safePermissions(permissions: number, isDirectory: boolean): number {
  return isDirectory ? permissions : permissions & ~SETUID_AND_SETGID;
}

/** Access and modification times for Node's calls, in seconds; what is not to be changed is what it was. */
export function timesOf(
  { accessed, modified }: AttributeChange,
  before: Pick<FileAttributes, "accessedNs" | "modifiedNs">,
): readonly [number, number] {
  return [seconds(accessed ?? before.accessedNs), seconds(modified ?? before.modifiedNs)];
}

/** Node keeps microseconds, cut off: half of one more makes up for what a number of seconds cannot hold. */
function seconds(time: bigint | "now"): number {
  const microseconds = time === "now" ? nowUs() : Number(floorDivide(time, NS_PER_US));
  return (microseconds + 0.5) / US_PER_S;
}

function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor < 0n ? quotient - 1n : quotient;
}

/** The wall clock in microseconds, which Date alone does not tell: what is touched now is newer than what was before. */
function nowUs(): number {
  const millisecond = Date.now();
  const fine = (performance.timeOrigin + performance.now()) * US_PER_MS;
  return Math.min(Math.max(Math.floor(fine), millisecond * US_PER_MS), millisecond * US_PER_MS + US_PER_MS - 1);
}
