import { readFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { writeCpio } from "../../host/images/cpio.js";
import { VivariumError } from "../../host/util/errors.js";
import { buildGuests, ownSource } from "../guests/build.js";
import type { LargeFigure } from "../subject.js";
import { GUEST_FAILED } from "./console.js";
import { withGuestFiles } from "./guest-files.js";
import { FigureCollector, type LargeSetting } from "./large-subject.js";
import { ProgramOutput } from "./program-output.js";

/** What is measured of the network between a guest and its host, through each system's NAT. */
export const NETWORK = ["net-send", "net-receive", "net-round-trip", "net-connect"] as const;

const TIMEOUT_MS = 300_000;
const PREFIX = "net-";

/** Streams out and in, round trips of a byte, and connections with one, from a guest to servers on this host. */
export async function measureNetwork(names: readonly string[], setting: LargeSetting): Promise<LargeFigure[]> {
  const { image, systems, runs, progress } = setting;
  const init = await readFile(join(import.meta.dirname, "../guests/network-init.sh"));
  const archives = [
    await buildGuests([ownSource("network")]),
    writeCpio([{ kind: "file", path: "bench/network-init", mode: 0o755, content: init }]),
  ];
  const servers = await startServers();
  const figures = new FigureCollector();
  const programs = names.map((name) => name.slice(PREFIX.length)).join(",");
  const commandLine = `${image.commandLine} rdinit=/bench/network-init net=${servers.port} bench=${programs}`;
  try {
    await withGuestFiles(image, archives, commandLine, async (guest) => {
      for (let run = 0; run < runs; run++) {
        for (const { system, start } of systems) {
          const output = new ProgramOutput();
          await start({ ...guest, network: true }).lines((line, ms) => output.line(line, ms), TIMEOUT_MS);
          const missing = names.filter((name) => !output.results.some((result) => result.name === name));
          if (missing.length > 0) {
            throw new VivariumError(GUEST_FAILED, `${system}: ${output.failures[0] ?? `${missing[0]} did not run`}`);
          }
          for (const { name, work, unit, sample } of output.results) {
            progress(`${name}, run ${run + 1} of ${runs}, ${system}: ${sample.seconds.toFixed(2)} s`);
            figures.add(name, unit === "B" ? `${work >> 20} MiB` : `${work} ${unit}`, system, sample);
          }
        }
      }
    });
  } finally {
    servers.close();
  }
  return figures.figures;
}

/** Three servers on ports in a row: one that counts, one that sends without end, one that sends back. */
async function startServers(): Promise<{ readonly port: number; close(): void }> {
  const kinds = [count, sendForever, (socket: Socket) => socket.pipe(socket)];
  for (let port = 20_000; port < 30_000; port += kinds.length) {
    const servers: Server[] = [];
    try {
      for (const [index, serve] of kinds.entries()) servers.push(await listen(port + index, serve));
      return { port, close: () => servers.forEach((server) => void server.close()) };
    } catch {
      for (const server of servers) server.close();
    }
  }
  throw new VivariumError("bench/ports", "no three free ports in a row between 20000 and 30000");
}

function listen(port: number, serve: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {});
      socket.setNoDelay(true);
      serve(socket);
    });
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

function count(socket: Socket): void {
  let total = 0;
  socket.on("data", ({ length }) => {
    total += length;
  });
  socket.on("end", () => socket.end(String(total)));
}

function sendForever(socket: Socket): void {
  const block = Buffer.alloc(1 << 16);
  const fill = () => {
    while (!socket.destroyed && socket.write(block));
  };
  socket.on("drain", fill);
  socket.on("end", () => socket.destroy());
  fill();
}
