/** The default guest, built from a Debian mirror and run in QEMU: what it promises holds on a machine that is not ours. */

import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ExitStatus } from "../../host/guest-agent/agent-process.js";
import { buildAgentProgram } from "../../host/guest-agent/program.js";
import { encodeTerminalSize, PORT_CONTROL } from "../../host/images/control-port.js";
import { type CpioEntry, writeCpio } from "../../host/images/cpio.js";
import { DEBIAN_MINI_COMMAND_LINE, DEBIAN_MINI_RECIPE_VERSION } from "../../host/images/debian-mini.js";
import type { Image } from "../../host/images/image.js";
import { INIT_SCRIPT } from "../../host/images/init-script.js";
import { execInQemu, type QemuAgentGuest, startAgentInQemu, startQemu } from "./qemu-guest.js";
import { readCpio } from "./read-cpio.js";
import { hasApt, hasQemu } from "./requirements.js";
import { testImage } from "./test-image.js";

const exit = (code: number): ExitStatus => ({ kind: "exit", code });
const signal = (number: number): ExitStatus => ({ kind: "signal", number });

// Without apt there is nothing to build the image with.
describe.skipIf(!hasApt)("debian-mini", () => {
  let image: Image;
  beforeAll(async () => {
    image = await testImage();
  });

  test("image: packages with their versions are in the manifest, and the release is the one wanted", () => {
    const { manifest } = image;
    expect(manifest.name).toBe("debian-mini");
    expect(manifest.packages.map(({ name }) => name)).toEqual([
      expect.stringMatching(/^linux-image-6\.12\.\d+\+deb13-riscv64$/),
      "busybox-static",
    ]);
    for (const { version, sha256 } of manifest.packages) {
      expect(version).toMatch(/^[0-9]/);
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  test("image: the cached one is what today's recipe makes, or the recipe's version has to be counted up", () => {
    const entries = readCpio(image.initrd);
    const content = (wanted: string) => Buffer.from(entries.find(({ path }) => path === wanted)!.content);
    expect(image.manifest.recipeVersion).toBe(DEBIAN_MINI_RECIPE_VERSION);
    expect(content("init").toString()).toBe(INIT_SCRIPT);
    expect(content("usr/bin/viv-agent").equals(buildAgentProgram())).toBe(true);
    expect(image.commandLine).toBe(DEBIAN_MINI_COMMAND_LINE);
  });

  // Needs Debian's qemu-system-misc.
  describe.skipIf(!hasQemu)("in QEMU", () => {
    test("exec: output and error output arrive apart, and the console stays silent", async () => {
      const result = await execInQemu(image, "echo out; echo err >&2");
      expect(result.stdout.toString()).toBe("out\n");
      expect(result.stderr.toString()).toBe("err\n");
      expect(result.status).toEqual(exit(0));
      // OpenSBI's greeting ends with this register. After it, the kernel's farewell is all.
      const words = result.console.split("Boot HART MEDELEG")[1]?.split("\n").slice(1).join("\n").trim();
      expect(words).toMatch(/^(\[ *[\d.]+\] reboot: Power down)?$/);
    });

    describe("its agent, command after command", () => {
      let guest: QemuAgentGuest;
      beforeAll(async () => {
        guest = await startAgentInQemu(image);
      });
      afterAll(() => guest.end());

      test.each<[string, ExitStatus]>([
        ["exit 137", exit(137)],
        ["kill -KILL $$", signal(9)],
      ])("exec: the status of %j is told", async (command, status) => {
        expect((await guest.run(command)).status).toEqual(status);
      });

      test("exec: all 256 byte values go in and come out unchanged, and the end of input is seen", async () => {
        const input = Buffer.concat([
          Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
          randomBytes(300_000),
        ]);
        const result = await guest.run("tee /dev/stderr | sha256sum; cat /dev/stdin", input);
        expect(result.stdout.toString().slice(0, 64)).toBe(createHash("sha256").update(input).digest("hex"));
        expect(result.stderr.equals(input)).toBe(true);
        expect(result.status).toEqual(exit(0));
      });

      test("exec: a command of many lines with quotes and letters of any language is run as it is", async () => {
        const command = "printf '%s|' 'a  b' \"$HOME\"\ncat <<'END'\n$HOME \\n žluťoučký 馬\nEND\n";
        expect((await guest.run(command)).stdout.toString()).toBe("a  b|/root|$HOME \\n žluťoučký 馬\n");
      });

      test("exec: processes that the command leaves behind do not hold it up", async () => {
        const result = await guest.run("sleep 1000 & (sleep 1000; echo late) & echo done");
        expect(result.stdout.toString()).toBe("done\n");
        expect(result.status).toEqual(exit(0));
      });

      test("exec: a command that signals its whole group is told apart from one that breaks the relays", async () => {
        const result = await guest.run("echo before; kill -TERM 0");
        expect(result.stdout.toString()).toBe("before\n");
        expect(result.status).toEqual(signal(15));
      });

      test("cpio: another implementation unpacks what our writer wrote", async () => {
        const entries: CpioEntry[] = [
          { kind: "directory", path: "d", mode: 0o750 },
          { kind: "file", path: "d/file", mode: 0o640, content: Buffer.from("content") },
          { kind: "file", path: "d/empty", mode: 0o600, content: new Uint8Array() },
          { kind: "symlink", path: "d/link", target: "file" },
          { kind: "character-device", path: "d/null", mode: 0o666, major: 1, minor: 3 },
        ];
        const result = await guest.run(
          "cd /tmp && cpio -id && find d | sort | xargs stat -c '%n %a %F %t:%T' && cat d/link",
          writeCpio(entries),
        );
        expect(result.stdout.toString()).toBe(
          [
            "d 750 directory 0:0",
            "d/empty 600 regular empty file 0:0",
            "d/file 640 regular file 0:0",
            "d/link 777 symbolic link 0:0",
            "d/null 666 character special file 1:3",
            "content",
          ].join("\n"),
        );
      });

      test("system: the usual places are there", async () => {
        const result = await guest.run(
          "hostname; whoami; pwd; stat -c %a /tmp /root; ping -c 1 -W 1 127.0.0.1 > /dev/null && echo loopback; uname -m",
        );
        expect(result.stdout.toString()).toBe("vivarium\nroot\n/root\n1777\n700\nloopback\nriscv64\n");
      });

      test("modules: every one in the image can be loaded, and modprobe finds them by alias", async () => {
        const result = await guest.run(
          "cd /lib/modules/*; for line in $(sed 's/:.*//' modules.dep); do basename $line .ko; done | xargs modprobe -a && " +
            "modprobe fs-9p && modprobe -q virtio:d00000013v554D4551 && lsmod | tail -n +2 | wc -l; grep -c : modules.dep",
        );
        const [loaded, listed] = result.stdout.toString().trim().split("\n");
        expect(result.stderr.toString()).toBe("");
        expect(loaded).toBe(listed);
      });
    });

    test("exec: poweroff is obeyed when the command has ended; forced, it leaves no answer", async () => {
      const orderly = await execInQemu(image, "poweroff; echo after");
      expect([orderly.stdout.toString(), orderly.status]).toEqual(["after\n", exit(0)]);
      expect((await execInQemu(image, "poweroff -f")).status).toBeNull();
    });

    test("panic: the guest says so on the console and stops, without an answer", async () => {
      const result = await execInQemu(image, "echo c > /proc/sysrq-trigger; sleep 10");
      expect(result.status).toBeNull();
      expect(result.console).toContain("Kernel panic - not syncing");
    });

    test("disk: an ext4 file system can be made, mounted and is left clean", async () => {
      const directory = await mkdtemp(join(tmpdir(), "vivarium-disk-"));
      try {
        const disk = join(directory, "disk");
        await writeFile(disk, Buffer.alloc(16 << 20));
        const args = ["-drive", `file=${disk},format=raw,if=none,id=d`, "-device", "virtio-blk-device,drive=d"];
        const make = "mke2fs -q /dev/vda && mount -t ext4 /dev/vda /mnt && echo kept > /mnt/file && ls /mnt";
        expect((await execInQemu(image, make, undefined, { args })).status).toEqual(exit(0));
        const read = "mount -t ext4 /dev/vda /mnt && cat /mnt/file; dmesg | grep -c 'unclean\\|recovery\\|error'";
        expect((await execInQemu(image, read, undefined, { args })).stdout.toString()).toBe("kept\n0\n");
      } finally {
        await rm(directory, { recursive: true });
      }
    });

    test("shell: it has job control, the terminal's size, and ends the machine when it ends", async () => {
      const mode = { kind: "interactive", columns: 101, rows: 33, terminal: "xterm" } as const;
      const guest = await startQemu(image, { mode });
      try {
        await guest.expect("root@vivarium:~# ");
        guest.type("stty size; echo $TERM\n");
        await guest.expect("\r\n33 101\r\nxterm\r\n");
        const job = "sh -c 'echo start''ed; exec sleep 1000'\n";
        guest.type(job);
        await guest.expect("started\r\n");
        guest.type("\x03");
        await guest.expect("# ");
        guest.type("echo status $?\n");
        await guest.expect("status 130\r\n");
        guest.type(job);
        await guest.expect("started\r\n");
        guest.type("\x1a");
        await guest.expect("Stopped");
        guest.type('sh -c \'trap "stty size; exit" WINCH; echo start""ed; while :; do sleep 0.1; done\'\n');
        await guest.expect("started\r\n");
        guest.ports.get(PORT_CONTROL)!.write(encodeTerminalSize(90, 20));
        await guest.expect("20 90\r\n");
        guest.type("exit\n");
        await guest.expect("stopped jobs");
        guest.type("exit\n");
        await guest.ended();
      } finally {
        await guest.kill();
      }
    });

    test("shell: poweroff ends the machine at once", async () => {
      const guest = await startQemu(image, { mode: { kind: "interactive" } });
      try {
        await guest.expect("root@vivarium:~# ");
        guest.type("poweroff\n");
        await guest.ended();
        expect(guest.console()).toContain("reboot: Power down");
      } finally {
        await guest.kill();
      }
    });
  });
});
