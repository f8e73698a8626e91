import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PrivateApt } from "../../host/platform/node/images/private-apt.js";
import { requireRoom } from "../../host/platform/node/images/room.js";
import { VivariumError } from "../../host/util/errors.js";
import { hasApt } from "./requirements.js";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vivarium-private-apt-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

async function create(mirror?: string, pause?: (ms: number) => Promise<unknown>): Promise<PrivateApt> {
  const inside = join(directory, "apt");
  await mkdir(inside);
  const options = { directory: inside, suite: "trixie", architecture: "riscv64", mirror };
  return PrivateApt.create(pause === undefined ? options : { ...options, pause });
}

async function errorOf(promise: Promise<unknown>): Promise<VivariumError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(VivariumError);
  expect((error as Error).message).not.toContain("\n");
  return error as VivariumError;
}

/** A directory that is the whole PATH: of programs that print a text, or none. */
async function stubPath(programs: Readonly<Record<string, string>>): Promise<void> {
  const path = join(directory, "bin");
  await mkdir(path);
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(path, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(path, name), 0o755);
  }
  vi.stubEnv("PATH", path);
}

test("private apt: a machine without apt is told to install it, or to bring an image", async () => {
  await stubPath({});
  const error = await errorOf(create());
  expect(error.code).toBe("image/apt");
  expect(error.message).toBe(
    "building an image takes Debian's apt, and this machine has no apt-config: install apt, or give the directory of an image built elsewhere",
  );
});

test("private apt: sources that apt cannot read lead to the variable that names a mirror, with apt's complaint", async () => {
  await stubPath({ "apt-config": "", "apt-get": "echo 'E: Malformed entry 1 in list file x.list' >&2; exit 100" });
  const error = await errorOf(create());
  expect(error.message).toBe(
    "this machine's apt cannot say which mirrors it uses (Malformed entry 1 in list file x.list): set VIV_DEBIAN_MIRROR to the address of a Debian mirror",
  );
});

// Needs the keyring of Debian's archive, which comes with apt on Debian and with .ci/run elsewhere.
test.skipIf(!hasApt)(
  "private apt: the machine's way to the network is taken over, its hooks and checks are not",
  async () => {
    const dump = [
      'Acquire::http::Proxy "http://proxy.example:3128";',
      'Acquire::https::Proxy::internal.example "DIRECT";',
      'Acquire::Retries "5";',
      'Acquire::AllowInsecureRepositories "true";',
      'Acquire::GzipIndexes "true";',
      'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";',
      'Acquire::http::User-Agent "a"; Dir::State "/elsewhere";',
    ];
    await stubPath({ "apt-config": `[ "$1" = shell ] || echo '${dump.join("\n")}'` });
    await create("http://mirror.example/debian");
    const configuration = await readFile(join(directory, "apt/apt.conf"), "utf8");
    expect(configuration.split("\n").filter((line) => dump.includes(line))).toEqual(dump.slice(0, 3));
    expect(configuration).toContain(`Dir::State "${directory}/apt/state";`);
    expect(await readFile(join(directory, "apt/sources.list"), "utf8")).toMatch(
      /^deb \[signed-by=\/usr\/share\/keyrings\/debian-archive-keyring\.[gp]*\] http:\/\/mirror\.example\/debian trixie main\n$/,
    );
  },
);

test.skipIf(!hasApt)(
  "private apt: a mirror that cannot be reached is named, with the variable that names another",
  async () => {
    // apt would try again for seven seconds; what the machine's configuration says of that holds here, too.
    await writeFile(join(directory, "machine.conf"), 'Acquire::Retries "0";\n');
    vi.stubEnv("APT_CONFIG", join(directory, "machine.conf"));
    // Port 9 is "discard": nobody listens there on this machine.
    const apt = await create("http://127.0.0.1:9/debian");
    const error = await errorOf(apt.update(() => {}));
    expect(error.code).toBe("image/fetch");
    expect(error.message).toMatch(
      /^cannot fetch Debian trixie packages from http:\/\/127\.0\.0\.1:9\/debian \(.+\): set VIV_DEBIAN_MIRROR to the address of a mirror that can be reached$/,
    );
  },
);

test.skipIf(!hasApt)("private apt: a mirror whose lists Debian has not signed is refused", async () => {
  const release = join(directory, "debian/dists/trixie");
  await mkdir(release, { recursive: true });
  await writeFile(join(release, "Release"), "Origin: Debian\nCodename: trixie\nSuite: stable\nComponents: main\n");
  const apt = await create(`file:${directory}/debian`);
  const error = await errorOf(apt.update(() => {}));
  expect(error.code).toBe("image/keyring");
  expect(error.message).toContain("has signed Debian trixie: install a newer debian-archive-keyring");
});

/**
 * An apt-get before a mirror whose lists of trixie are not those of the index, and whose "stable" is another release by
 * that name. It notes the names that it is asked for.
 */
async function stubMixedMirror(stable: string): Promise<() => Promise<string[]>> {
  const asked = join(directory, "asked");
  const script = `read deb signed mirror name main < ${directory}/apt/sources.list
    echo $name >> ${asked}
    case $name in
      stable) echo "Codename: ${stable}" > ${directory}/apt/state/lists/mirror_dists_stable_InRelease;;
      trixie) echo 'E: Failed to fetch http://x/Packages.xz  File has unexpected size (1 != 2). Mirror sync in progress?' >&2; exit 100;;
      *) echo 'E: The repository does not have a Release file.' >&2; exit 100;;
    esac`;
  await stubPath({ "apt-config": "", "apt-get": script });
  return async () => (await readFile(asked, "utf8")).trim().split("\n");
}

test.skipIf(!hasApt)(
  "private apt: lists of another day than their index are looked for by the release's other name",
  async () => {
    const asked = await stubMixedMirror("trixie");
    const apt = await create("http://mirror.example/debian");
    await apt.update(() => {});
    expect(await asked()).toEqual(["trixie", "stable"]);
    expect(await readFile(join(directory, "apt/sources.list"), "utf8")).toContain("/debian stable main\n");
  },
);

test.skipIf(!hasApt)(
  "private apt: another release by that name is not taken; the mirror is asked again, and then named",
  async () => {
    const asked = await stubMixedMirror("forky");
    const pauses: number[] = [];
    const apt = await create("http://mirror.example/debian", async (ms) => pauses.push(ms));
    const error = await errorOf(apt.update(() => {}));
    expect(error.code).toBe("image/fetch");
    expect(error.message).toMatch(
      /^cannot fetch Debian trixie packages from http:\/\/mirror\.example\/debian \(.*Mirror sync in/,
    );
    const round = ["trixie", "stable", "oldstable"];
    expect(await asked()).toEqual([...round, ...round, ...round]);
    expect(pauses).toEqual([0, 10_000, 30_000]);
  },
);

test.skipIf(!hasApt)("private apt: a file system that is full is not the mirror's fault", async () => {
  await stubPath({
    "apt-config": "",
    "apt-get": "echo 'E: Failed to fetch http://x  Write error - write (28: No space left on device)' >&2; exit 100",
  });
  const apt = await create("http://mirror.example/debian");
  const error = await errorOf(apt.update(() => {}));
  expect([error.code, error.message]).toEqual([
    "image/cache",
    `the file system of ${directory}/apt is full: set VIV_CACHE_DIR to a directory with more room`,
  ]);
});

test("room: what a file system has not left is refused before it is written", async () => {
  await requireRoom(directory, 1);
  const error = await errorOf(requireRoom(directory, 2 ** 60));
  expect(error.code).toBe("image/cache");
  expect(error.message).toMatch(/ has \d+ MiB left of the 1099511627776 MiB it takes: set VIV_CACHE_DIR /);
});
