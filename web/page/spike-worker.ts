import { BrowserHostServices } from "../../host/platform/browser/host-services.js";
import { fetchCoreModule } from "../../host/platform/browser/core-module.js";
import { downloadImage } from "../../host/platform/browser/image-download.js";
import { Machine } from "../../host/machine/machine.js";
import { commandLineFor } from "../../host/images/command-line.js";
const say = (m: unknown) => (postMessage as (m: unknown) => void)(m);
onmessage = async (e) => {
  if (!e.data.core) return;
  const core = await fetchCoreModule(new URL(e.data.core));
  say("core");
  const image = await downloadImage(new URL(e.data.image), () => {});
  say("image");
  let m: Machine;
  const host = new BrowserHostServices();
  m = await Machine.create({ core, hartCount: 1, memoryByteLength: 512 << 20, clock: "host", boot: { kind: "linux", kernel: image.kernel, initrd: image.initrd, commandLine: commandLineFor(image.commandLine, { kind: "interactive" }) }, drives: [], host, serial: { write: (b) => say({ out: b, instr: String(m.stats().instructions) }) } });
  say("machine");
  say(await m.run());
};
