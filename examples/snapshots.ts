/** Back to where a machine was, several machines from one, and a machine as a file. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Machine } from "vivarium";

const directory = await mkdtemp(join(tmpdir(), "example-"));
const file = join(directory, "lab.viv");
{
  await using machine = await Machine.create({ image: "debian-mini", memoryMiB: 128 });
  const stop = machine.on("status", (status) => console.log("status", status));
  await machine.exec("echo clean > /tmp/state");
  const before = await machine.snapshot("clean");

  await machine.exec("echo spoilt > /tmp/state");
  await machine.restore(before);
  console.log(await machine.files.readText("/tmp/state")); // clean

  const forks = await machine.fork({ count: 2 });
  await Promise.all(forks.map((fork, index) => fork.exec(`echo fork ${index} > /tmp/state`)));
  for (const fork of forks) console.log((await fork.files.readText("/tmp/state")).trim()); // fork 0, fork 1
  await Promise.all(forks.map((fork) => fork.close()));

  await machine.save(file);
  stop();
  console.log((await machine.shutdown()).kind); // poweroff
}
{
  await using machine = await Machine.open(file);
  console.log((await machine.exec("cat /tmp/state")).stdout.trim()); // clean
}
await rm(directory, { recursive: true });
