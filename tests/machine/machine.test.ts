import { describe, expect, test } from "vitest";
import { assemble } from "../../assembly/isa/assemble.js";
import type { CommitRecord } from "../../host/core/commit-tracer.js";
import { MemoryBlockBackend } from "../../host/storage/memory.js";
import { elfFile } from "./elf-file.js";
import { READ_SECTOR } from "./sector-reader.js";
import { bare, createMachine, kernel, text } from "./test-machine.js";

const CLOCKS = ["virtual", "host"] as const;
const POWER_OFF = `
  li t0, TEST
  li t1, 0x5555
  sw t1, 0(t0)
  j .
`;

describe("machine: a bare program", () => {
  test.each(CLOCKS)("writes to the UART and powers off (%s clock)", async (clock) => {
    const { machine, output } = await createMachine({
      clock,
      boot: bare(`
        la a0, message
        li t0, UART
      next:
        lbu t1, 0(a0)
        beqz t1, done
        sb t1, 0(t0)
        addi a0, a0, 1
        j next
      done:
        ${POWER_OFF}
      message: ${text("hello, world\n\0")}
      `),
    });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    expect(output()).toBe("hello, world\n");
    expect(machine.stats().exits.stop).toBe(1);
    // 12 instructions before the loop and after it, 5 for each character but the last, 2 for the zero.
    expect(machine.stats().instructions).toBeGreaterThan(60n);
  });

  test.each([
    ["reboot", 0x7777, { kind: "reboot" }],
    ["a failure with its code", 0x002a_3333, { kind: "fail", code: 42 }],
  ])("the power switch takes %s", async (_, value, halt) => {
    const { machine } = await createMachine({ boot: bare(`li t0, TEST; li t1, ${value}; sw t1, 0(t0); j .`) });
    expect(await machine.run()).toEqual(halt);
  });

  test("starts with its hart id and the device tree on every hart", async () => {
    const { machine } = await createMachine({
      hartCount: 2,
      boot: bare(`
        csrr t0, mhartid
        bne a0, t0, wrong
        lwu t1, 0(a1)
        li t2, 0xedfe0dd0
        bne t1, t2, wrong
        beqz a0, wait
        li t0, 1
        la t1, flag
        sw t0, 0(t1)
        j .
      wait:
        la t1, flag
        lw t0, 0(t1)
        beqz t0, wait
        ${POWER_OFF}
      wrong:
        li t0, TEST
        li t1, 0x3333
        sw t1, 0(t0)
        j .
      .align 3
      flag: .word 0
      `),
    });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
  });

  test("access to nothing is an access fault, and the machine goes on", async () => {
    const { machine } = await createMachine({
      boot: bare(`
        la t0, handler
        csrw mtvec, t0
        li t1, 0x30000000
        lw t2, 0(t1)
        j .
      .align 2
      handler:
        csrr t0, mcause
        li t1, 5
        bne t0, t1, .
        csrr t0, mtval
        li t1, 0x30000000
        bne t0, t1, .
        ${POWER_OFF}
      `),
    });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
  });

  test("slots without a device read DeviceID 0, drives and the entropy source theirs", async () => {
    const drives = [{ backend: new MemoryBlockBackend(new Uint8Array(512)), serial: "one" }];
    const { machine, output } = await createMachine({
      drives,
      boot: bare(`
        li t0, UART
        li t1, 0x10001000
        li t2, 0x10009000
      next:
        lw t3, 8(t1)
        addi t3, t3, 48
        sb t3, 0(t0)
        li t3, 0x1000
        add t1, t1, t3
        blt t1, t2, next
        ${POWER_OFF}
      `),
    });
    await machine.run();
    expect(output().slice(0, 7)).toBe("2000004");
  });
});

describe("machine: HTIF", () => {
  const program = (listing: string): { kind: "bare"; program: Uint8Array } => {
    const { origin, bytes, symbols } = assemble(`${listing}\n .align 6\n tohost: .dword 0\n fromhost: .dword 0`);
    return {
      kind: "bare",
      program: elfFile({
        entry: origin,
        segments: [{ vaddr: origin, contents: bytes }],
        symbols: { tohost: symbols.get("tohost")!, fromhost: symbols.get("fromhost")! },
      }),
    };
  };

  test.each([
    ["success", 1, { kind: "htif", exitCode: 0, testNumber: 0 }],
    ["the number of a failed test", 15, { kind: "htif", exitCode: 1, testNumber: 7 }],
  ])("a program ends with %s", async (_, value, halt) => {
    const { machine } = await createMachine({ boot: program(`li t0, ${value}; la t1, tohost; sd t0, 0(t1); j .`) });
    expect(await machine.run()).toEqual(halt);
  });

  test("a program that waits for the console's answers gets them", async () => {
    const { machine, output } = await createMachine({
      boot: program(`
        la t1, tohost
        la a0, message
      next:
        lbu t2, 0(a0)
        beqz t2, done
        li t3, 0x0101000000000000
        or t2, t2, t3
        sd t2, 0(t1)
      wait:
        ld t2, 0(t1)
        bnez t2, wait
        addi a0, a0, 1
        j next
      done:
        li t2, 1
        sd t2, 0(t1)
        j .
      message: ${text("ok\n\0")}
      `),
    });
    expect(await machine.run()).toMatchObject({ kind: "htif", exitCode: 0 });
    expect(output()).toBe("ok\n");
  });
});

describe("machine: a firmware", () => {
  test("finds struct fw_dynamic_info at a2, with the kernel in it, and the kernel in its place", async () => {
    const { machine, output } = await createMachine({
      boot: {
        kind: "firmware",
        commandLine: "",
        kernel: assemble(`li t0, 0x10000000; li t1, 75; sb t1, 0(t0); ${POWER_OFF.replace("TEST", "0x100000")}`).bytes,
        firmware: assemble(`
          ld t0, 0(a2)
          li t1, 0x4942534f
          bne t0, t1, .
          ld t0, 8(a2)
          li t1, 2
          bne t0, t1, .
          ld t0, 16(a2)
          jr t0
        `).bytes,
      },
    });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    expect(output()).toBe("K");
  });

  test("harts set A and D bits by themselves from power-on", async () => {
    const { machine } = await createMachine({
      boot: bare(`
        la t0, handler
        csrw mtvec, t0
        li t0, -1
        csrw pmpaddr0, t0
        li t0, 31
        csrw pmpcfg0, t0
        la t0, root
        srli t0, t0, 12
        li t1, 0x8000000000000000
        or t0, t0, t1
        csrw satp, t0
        sfence.vma
        li t0, 0x800
        csrs mstatus, t0
        la t0, supervisor
        csrw mepc, t0
        mret
      supervisor:
        la t1, root
        sd t1, 64(t1)
        ld t0, 16(t1)
        andi t0, t0, 0xc0
        li t1, 0xc0
        bne t0, t1, .
        ecall
      .align 2
      handler:
        csrr t0, mcause
        li t1, 9
        bne t0, t1, .
        ${POWER_OFF}
      .align 12
      root: .zero 16
        # A gigapage at 0x80000000, valid, readable, writable, executable, neither accessed nor dirty.
        .dword 0x2000000f
      `),
    });
    const timer = setTimeout(() => machine.stop(), 5000);
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    clearTimeout(timer);
  });
});

describe("machine: a kernel with the machine's SBI", () => {
  const sbi = (extension: string, functionId = 0): string => `li a7, ${extension}; li a6, ${functionId}; ecall`;
  const SHUT_DOWN = `li a0, 0; li a1, 0; ${sbi("EID_SRST")}; j .`;

  test("writes to the debug console and shuts down", async () => {
    const { machine, output } = await createMachine({
      boot: kernel(`
        li a0, 6
        la a1, message
        li a2, 0
        ${sbi("EID_DBCN")}
        bnez a0, .
        li t0, 6
        bne a1, t0, .
        ${SHUT_DOWN}
      message: ${text("hello\n")}
      `),
    });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    expect(output()).toBe("hello\n");
    expect(machine.stats().exits.ecall).toBe(2);
  });

  test("a shutdown for a failure is one", async () => {
    const { machine } = await createMachine({ boot: kernel(`li a0, 0; li a1, 1; ${sbi("EID_SRST")}`) });
    expect(await machine.run()).toEqual({ kind: "fail", code: 1 });
  });

  test("takes its own traps: an illegal instruction, a breakpoint, an access to nothing", async () => {
    const { machine, output } = await createMachine({
      boot: kernel(`
        la t0, handler
        csrw stvec, t0
        .word 0
        ebreak
        lw t0, 0(zero)
        ${SHUT_DOWN}
      .align 2
      handler:
        csrr a0, scause
        addi a0, a0, 48
        li a7, 1
        ecall
        csrr t0, sepc
        addi t0, t0, 4
        csrw sepc, t0
        sret
      `),
    });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    expect(output()).toBe("235");
  });

  test("a timer set by SBI fires at its time; virtual time does not wait for it", async () => {
    const { machine, output } = await createMachine({
      boot: kernel(`
        la t0, handler
        csrw stvec, t0
        rdtime s0
        li t0, 36000000000
        add a0, s0, t0
        mv s1, a0
        ${sbi("EID_TIME")}
        li t0, 32
        csrw sie, t0
        csrsi sstatus, 2
      sleep:
        wfi
        j sleep
      .align 2
      handler:
        rdtime t0
        bltu t0, s1, .
        csrr t0, scause
        li t1, 0x8000000000000005
        bne t0, t1, .
        li a0, 84
        li a7, 1
        ecall
        ${SHUT_DOWN}
      `),
    });
    const start = performance.now();
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    expect(output()).toBe("T");
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(machine.stats().exits.idle).toBe(1);
  });

  test("with the host's clock a timer takes its time, asleep", async () => {
    const { machine } = await createMachine({
      clock: "host",
      boot: kernel(`
        rdtime a0
        li t0, 2000000
        add a0, a0, t0
        ${sbi("EID_TIME")}
        li t0, 32
        csrw sie, t0
        wfi
        ${SHUT_DOWN}
      `),
    });
    const start = performance.now();
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    expect(performance.now() - start).toBeGreaterThan(199);
    expect(performance.now() - start).toBeLessThan(2000);
    // It sleeps for all but the last millisecond, which passes in turns of the event loop.
    expect(machine.stats().instructions).toBeLessThan(100n);
  });

  test.each(CLOCKS)("starts the other harts, which interrupt the first one (%s clock)", async (clock) => {
    const { machine, output } = await createMachine({
      clock,
      hartCount: 4,
      boot: kernel(`
        li s0, 1
      start:
        mv a0, s0
        la a1, secondary
        addi a2, s0, 64
        ${sbi("EID_HSM", 0)}
        bnez a0, .
        addi s0, s0, 1
        li t0, 4
        blt s0, t0, start
        li t0, 2
        csrw sie, t0
        la s1, count
      wait:
        lw t0, 0(s1)
        li t1, 3
        beq t0, t1, done
        wfi
        csrci sip, 2
        j wait
      done:
        ${SHUT_DOWN}
      secondary:
        mv a0, a1
        li a7, 1
        ecall
        la s1, count
        li t0, 1
        amoadd.w zero, t0, (s1)
        li a0, 1
        li a1, 0
        ${sbi("EID_IPI")}
        bnez a0, .
        ${sbi("EID_HSM", 1)}
        j .
      .align 3
      count: .word 0
      `),
    });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    expect([...output()].sort().join("")).toBe("ABC");
  });

  test("a suspended hart resumes at its address when it is interrupted", async () => {
    const { machine, output } = await createMachine({
      hartCount: 2,
      boot: kernel(`
        li a0, 1
        la a1, secondary
        ${sbi("EID_HSM", 0)}
      wait:
        li a0, 1
        ${sbi("EID_HSM", 2)}
        li t0, 4
        bne a1, t0, wait
        li a0, 1
        li a1, 1
        ${sbi("EID_IPI")}
      sleep:
        wfi
        j sleep
      secondary:
        li t0, 2
        csrw sie, t0
        li a0, 0x80000000
        la a1, resumed
        li a2, 82
        ${sbi("EID_HSM", 3)}
        j .
      resumed:
        addi a0, a1, 0
        li a7, 1
        ecall
        ${SHUT_DOWN}
      `),
    });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    expect(output()).toBe("R");
  });

  test("a guest that stops its last hart has failed", async () => {
    const { machine } = await createMachine({ boot: kernel(`${sbi("EID_HSM", 1)}; j .`) });
    expect(await machine.run()).toEqual({ kind: "fail", code: 1 });
  });
});

describe("machine: typed characters", () => {
  /** Echoes what is typed, by interrupt, and sleeps in between; "q" powers off. */
  const ECHO = `
    la t0, handler
    csrw mtvec, t0
    li s0, UART
    li t0, 1
    sb t0, 1(s0)
    li s1, PLIC
    sw t0, 40(s1)
    li t0, 0x400
    li t1, PLIC + 0x2000
    sw t0, 0(t1)
    li t0, 0x800
    csrw mie, t0
    csrsi mstatus, 8
  sleep:
    wfi
    j sleep
  .align 2
  handler:
    li t1, PLIC + 0x200004
    lw t2, 0(t1)
  read:
    lbu t3, 5(s0)
    andi t3, t3, 1
    beqz t3, complete
    lbu t4, 0(s0)
    sb t4, 0(s0)
    li t5, 113
    bne t4, t5, read
    ${POWER_OFF}
  complete:
    sw t2, 0(t1)
    mret
  `;

  test.each(CLOCKS)("wake a sleeping guest and reach it in order, however many (%s clock)", async (clock) => {
    const { machine, output } = await createMachine({ clock, boot: bare(ECHO) });
    const typed = "a long line that does not fit the UART. ".repeat(500);
    const run = machine.run();
    await new Promise((resolve) => setTimeout(resolve, 30));
    machine.serialInput.write(Buffer.from(typed.slice(0, 10)));
    await new Promise((resolve) => setTimeout(resolve, 10));
    machine.serialInput.write(Buffer.from(`${typed.slice(10)}q`));
    expect(await run).toEqual({ kind: "poweroff" });
    expect(output()).toBe(`${typed}q`);
  });
});

describe("machine: control", () => {
  test("an endless loop, and an endless loop of traps, leave the host its turn and can be stopped", async () => {
    for (const listing of ["j .", "li t0, 8; csrw mtvec, t0; .word 0"]) {
      for (const clock of CLOCKS) {
        const { machine } = await createMachine({ clock, boot: bare(listing) });
        setTimeout(() => machine.stop(), 30);
        expect(await machine.run()).toEqual({ kind: "stopped" });
      }
    }
  });

  test("a stopped machine goes on where it was", async () => {
    let output = "";
    const { machine } = await createMachine({
      clock: "host",
      boot: bare(`
        li t0, UART
        li t1, 65
        li t3, 26
      next:
        sb t1, 0(t0)
        addi t1, t1, 1
        li t2, 3000000
      spin:
        addi t2, t2, -1
        bnez t2, spin
        addi t3, t3, -1
        bnez t3, next
        ${POWER_OFF}
      `),
      serial: {
        write: (bytes) => {
          output += Buffer.from(bytes).toString("latin1");
          machine.stop();
        },
      },
    });
    let stops = 0;
    while ((await machine.run()).kind === "stopped") stops++;
    expect(output).toBe("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    expect(stops).toBeGreaterThan(1);
  });

  test("guest time never runs backwards with the host's clock", async () => {
    const { machine } = await createMachine({
      clock: "host",
      boot: bare(`
        li t0, CLINT + 0xbff8
        ld s0, 0(t0)
        li t3, 3000000
        li s2, 0
      next:
        ld t1, 0(t0)
        bltu t1, s0, wrong
        mv s0, t1
        rdtime t1
        bltu t1, s0, wrong
        mv s0, t1
        addi s2, s2, 1
        blt s2, t3, next
        ${POWER_OFF}
      wrong:
        li t0, TEST
        li t1, 0x3333
        sw t1, 0(t0)
        j .
      `),
    });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
  });

  /** Mixes time, entropy of the device tree and counters into memory, sleeping now and then. */
  const MIX = `
    li s0, 0
    li s1, 3000
    la s2, pool
    li s4, CLINT + 0x4000
    li t0, 128
    csrw mie, t0
  next:
    rdtime t0
    rdcycle t1
    xor t0, t0, t1
    andi t2, s0, 255
    slli t2, t2, 3
    add t2, t2, s2
    ld t3, 0(t2)
    add t3, t3, t0
    sd t3, 0(t2)
    rdtime t0
    addi t0, t0, 200
    sd t0, 0(s4)
    wfi
    addi s0, s0, 1
    blt s0, s1, next
    ${POWER_OFF}
  .align 3
  pool: .zero 2048
  `;

  test("two runs with the virtual clock come to the same instruction count and the same state", async () => {
    const ends = await Promise.all(
      [1, 2].map(async () => {
        const { machine } = await createMachine({ hartCount: 2, boot: bare(MIX) });
        await machine.run();
        return [machine.stats().instructions, machine.stateHash()];
      }),
    );
    expect(ends[0]).toEqual(ends[1]);
  });

  test("whoever sees each instruction sees them all, and the machine comes to the same state", async () => {
    const run = async (change: object): Promise<unknown> => {
      const { machine } = await createMachine({ hartCount: 2, boot: bare(MIX.replace("3000", "30")), ...change });
      await machine.run();
      return [machine.stats().instructions, machine.stateHash()];
    };
    let count = 0n;
    const seen: string[] = [];
    const onCommit = ({ pc, privilege }: CommitRecord): void => {
      if (count++ < 3n) seen.push(`${privilege} ${pc.toString(16)}`);
    };
    const [instructions, hash] = (await run({ onCommit })) as [bigint, string];
    expect(count).toBe(instructions);
    expect(seen).toEqual(["3 80000000", "3 80000004", "3 80000008"]);
    expect(await run({})).toEqual([instructions, hash]);
  });

  test("with the virtual clock a disk answers at the same instruction, however slow it is", async () => {
    const read = async (delayMs: number): Promise<unknown[]> => {
      const backend = new MemoryBlockBackend(new Uint8Array(512).fill(88));
      const slow = new Proxy(backend, {
        get: (target, name) => {
          const method = Reflect.get(target, name, target);
          if (typeof method !== "function") return method;
          return async (...parameters: unknown[]) => {
            if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
            return Reflect.apply(method, target, parameters);
          };
        },
      });
      const { machine, output } = await createMachine({ boot: bare(READ_SECTOR), drives: [{ backend: slow }] });
      const halt = await machine.run();
      return [halt.kind, output(), machine.stats().instructions, machine.stateHash()];
    };
    const fast = await read(0);
    expect(fast.slice(0, 2)).toEqual(["poweroff", "X"]);
    expect(await read(30)).toEqual(fast);
  });

  test("a run ends when the disk has done what it was asked", async () => {
    let isDone = false;
    const backend = new MemoryBlockBackend(new Uint8Array(512));
    backend.read = async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      isDone = true;
    };
    backend.tryRead = () => false;
    const boot = bare(READ_SECTOR.replace("poll:", `${POWER_OFF} poll:`));
    const { machine } = await createMachine({ clock: "host", boot, drives: [{ backend }] });
    expect(await machine.run()).toEqual({ kind: "poweroff" });
    expect(isDone).toBe(true);
  });

  test("another program, memory or hart count is another state", async () => {
    const hash = async (change: object): Promise<string> => {
      const { machine } = await createMachine({ boot: bare(MIX), ...change });
      await machine.run();
      return machine.stateHash();
    };
    const changes = [{}, { hartCount: 2 }, { memoryByteLength: 20 * 1024 * 1024 }, { boot: bare(POWER_OFF) }];
    const hashes = await Promise.all(changes.map(hash));
    expect(new Set(hashes).size).toBe(changes.length);
  });

  test("every device's state is there under its name, ready to be saved", async () => {
    const { machine } = await createMachine({ boot: kernel("j .") });
    expect([...machine.devices.keys()]).toEqual([
      ...["test", "rtc", "generation", "clint", "plic", "uart"],
      ...["virtio0", "virtio1", "virtio2", "virtio3", "virtio4", "virtio5", "virtio6", "virtio7"],
      ...["serial-input", "sbi-hsm", "sbi-sta", "clock", "random"],
    ]);
  });

  test.each([
    ["no harts", { hartCount: 0 }, "0 harts; expected 1 to 8"],
    ["nine harts", { hartCount: 9 }, "9 harts; expected 1 to 8"],
    ["7 bytes", { memoryByteLength: 7 }, "memory of 7 bytes; expected a multiple of 4096, at most 4032 MiB"],
    ["4 GiB", { memoryByteLength: 2 ** 32 }, /memory of 4294967296 bytes; expected/],
    [
      "seven drives",
      { drives: Array.from({ length: 7 }, () => ({ backend: new MemoryBlockBackend(new Uint8Array(512)) })) },
      "7 drives; a machine has at most 6",
    ],
  ])("refuses %s", async (_, change, message) => {
    await expect(createMachine({ boot: bare("j ."), ...change })).rejects.toThrow(message);
  });
});
