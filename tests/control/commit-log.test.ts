import { expect, test } from "vitest";
import { formatCommit } from "../../host/control/commit-log.js";
import type { CommitRecord } from "../../host/core/commit-tracer.js";

function record(fields: Partial<CommitRecord>): CommitRecord {
  return { hart: 0, privilege: 3, pc: 0x80000000n, word: 0x297, byteLength: 4, writes: [], ...fields };
}

// The expected lines are written out by hand from the format strings of Spike's commit_log_print_insn.
const lines: readonly [name: string, record: CommitRecord, line: string][] = [
  [
    "an integer register is padded to two digits",
    record({ writes: [{ kind: "x", number: 5, value: 0x80000000n }] }),
    "core   0: 3 0x0000000080000000 (0x00000297) x5  0x0000000080000000\n",
  ],
  [
    "two-digit registers need no padding",
    record({ writes: [{ kind: "x", number: 31, value: 0xffffffffffffffffn }] }),
    "core   0: 3 0x0000000080000000 (0x00000297) x31 0xffffffffffffffff\n",
  ],
  [
    "an instruction that writes nothing has nothing after its word",
    record({ privilege: 0, pc: 0x10000n, word: 0x0000_0063 }),
    "core   0: 0 0x0000000000010000 (0x00000063)\n",
  ],
  ["the hart is right-aligned in four columns", record({ hart: 12 }), "core  12: 3 0x0000000080000000 (0x00000297)\n"],
  [
    "a compressed instruction has four digits",
    record({
      privilege: 1,
      pc: 0xffffffff80000002n,
      word: 0x4501,
      byteLength: 2,
      writes: [{ kind: "x", number: 10, value: 0n }],
    }),
    "core   0: 1 0xffffffff80000002 (0x4501) x10 0x0000000000000000\n",
  ],
  [
    "a negative value is written as its 64 bits",
    record({ writes: [{ kind: "x", number: 6, value: -1n }] }),
    "core   0: 3 0x0000000080000000 (0x00000297) x6  0xffffffffffffffff\n",
  ],
  [
    "a word with bit 31 set is not negative",
    record({ word: 0xfff00513 | 0, writes: [{ kind: "x", number: 10, value: -1n }] }),
    "core   0: 3 0x0000000080000000 (0xfff00513) x10 0xffffffffffffffff\n",
  ],
  [
    "a write of x0 is left out",
    record({ writes: [{ kind: "x", number: 0, value: 1n }] }),
    "core   0: 3 0x0000000080000000 (0x00000297)\n",
  ],
  [
    "f0 is a register like any other",
    record({ writes: [{ kind: "f", number: 0, value: 0xffffffff3f800000n }] }),
    "core   0: 3 0x0000000080000000 (0x00000297) f0  0xffffffff3f800000\n",
  ],
  [
    "a CSR has its number in decimal and its name",
    record({
      word: 0x30529073,
      writes: [{ kind: "csr", number: 0x300, value: 0x0000000a00001800n }],
    }),
    "core   0: 3 0x0000000080000000 (0x30529073) c768_mstatus 0x0000000a00001800\n",
  ],
  [
    "a CSR without a name is called as Spike calls it",
    record({ writes: [{ kind: "csr", number: 0x7c0, value: 1n }] }),
    "core   0: 3 0x0000000080000000 (0x00000297) c1984_unknown-csr 0x0000000000000001\n",
  ],
  [
    "several writes are ordered by number, then x before f before CSR",
    record({
      writes: [
        { kind: "csr", number: 0x300, value: 3n },
        { kind: "f", number: 1, value: 2n },
        { kind: "csr", number: 0x001, value: 1n },
        { kind: "x", number: 1, value: 4n },
      ],
    }),
    "core   0: 3 0x0000000080000000 (0x00000297) x1  0x0000000000000004 f1  0x0000000000000002" +
      " c1_fflags 0x0000000000000001 c768_mstatus 0x0000000000000003\n",
  ],
  [
    "a load shows its address after the register",
    record({ word: 0x0182b283, writes: [{ kind: "x", number: 5, value: 0x80000000n }], load: { address: 0x1018n } }),
    "core   0: 3 0x0000000080000000 (0x0182b283) x5  0x0000000080000000 mem 0x0000000000001018\n",
  ],
  [
    "a store shows its address and as many digits as it stores",
    record({ word: 0x00a58023, store: { address: 0x80001000n, byteLength: 1, value: 0x1234n } }),
    "core   0: 3 0x0000000080000000 (0x00a58023) mem 0x0000000080001000 0x34\n",
  ],
  [
    "a store of eight bytes shows sixteen digits",
    record({ store: { address: 0x80001000n, byteLength: 8, value: 1n } }),
    "core   0: 3 0x0000000080000000 (0x00000297) mem 0x0000000080001000 0x0000000000000001\n",
  ],
  [
    "an atomic memory operation shows its load and its store",
    record({
      writes: [{ kind: "x", number: 14, value: 7n }],
      load: { address: 0x80002000n },
      store: { address: 0x80002000n, byteLength: 4, value: 8n },
    }),
    "core   0: 3 0x0000000080000000 (0x00000297) x14 0x0000000000000007 mem 0x0000000080002000" +
      " mem 0x0000000080002000 0x00000008\n",
  ],
];

for (const [name, commit, line] of lines) {
  test(`commit log: ${name}`, () => {
    expect(formatCommit(commit)).toBe(line);
  });
}

test("commit log: cbo.zero is sixty-four stores of one byte", () => {
  const line = formatCommit(record({ store: { address: 0x80003000n, byteLength: 64, value: 0n } }));
  const stores = line.match(/ mem 0x[0-9a-f]{16} 0x00/g);
  expect(stores).toHaveLength(64);
  expect(stores?.[0]).toBe(" mem 0x0000000080003000 0x00");
  expect(stores?.[63]).toBe(" mem 0x000000008000303f 0x00");
});
