import type { Observation } from "./compare.js";

/** A difference between QEMU and our hart that the specification allows. */
export interface KnownDifference {
  readonly what: string;
  readonly reason: string;
  /** Whether it accounts for the whole of a difference. */
  explains(observation: Observation): boolean;
}

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  {
    what: "menvcfg.ADUE does not exist in QEMU 7.2",
    reason: "",
    explains: ({ place, ours, theirs }) => place === "menvcfg" && (ours ^ theirs) === 1n << 61n,
  },
  {
    what: "EBREAK: mtval and stval are its address here, 0 in QEMU 7.2",
    reason: "",
    explains: ({ place, theirs, trap }) => place === "trap.tval" && trap?.cause === 3n && theirs === 0n,
  },
  {
    what: "SINVAL.VMA where it is illegal: mtval and stval are the instruction here, 0 in QEMU 7.2",
    reason: "",
    explains: ({ place, ours, theirs, trap }) =>
      place === "trap.tval" && trap?.cause === 2n && (ours & 0xfe007fffn) === 0x16000073n && theirs === 0n,
  },
];
