import { lstatSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { SocketPlace } from "../../../control/network-options.js";
import { ImpatientLink } from "../../../network/impatient-link.js";
import type { Link } from "../../../network/link.js";
import { PeerStation } from "../../../network/peer-link.js";
import { Switch } from "../../../network/switch.js";
import { VivariumError } from "../../../util/errors.js";
import { FileLock } from "../machine-file/file-lock.js";
import { NodeOutside } from "./outside.js";
import { readFrames, SocketLink, socketPeer } from "./socket-link.js";

/** Behind the name of the socket at which frames may have work left to do. */
const OURS = ".viv";
/** How soon after a switch has gone the next is looked for. */
const RETRY_MS = 100;
const TRIES = 50;
/** Stations at a switch; more are turned away. */
const STATIONS_MAX = 256;

/**
 * A place at the switch of that name on this host, which machines of all programs of this user share. The program that
 * needs it first serves it to the others, on a Unix socket that QEMU's `-netdev stream` can use, too; when that program
 * ends, another one goes on.
 *
 * @param directory where switches have their sockets
 * @throws VivariumError `network/connect` when there can be none
 */
export async function openSwitch(name: string, directory: string = switchDirectory()): Promise<Link> {
  const path = join(directory, `switch-${name}.sock`);
  const place: SocketPlace = { kind: "unix", path: `${path}${OURS}` };
  let hub: SwitchHub | null = null;
  const prepare = async () => {
    if (hub === null || hub.isClosed) hub = await SwitchHub.serve(path);
  };
  for (let tries = 1; ; tries++) {
    await prepare();
    try {
      const link = await SocketLink.connect(place, { prepare, retryMs: RETRY_MS, isOurs: true });
      const closed = async () => {
        await link.close();
        await hub?.close();
      };
      return {
        connect: (station) => link.connect(station),
        send: (frame) => link.send(frame),
        resume: () => link.resume(),
        close: closed,
      };
    } catch (error) {
      if (tries === TRIES) throw error;
      // The program that has it is about to listen, or about to end.
      await sleep(RETRY_MS);
    }
  }
}

/** Of this user only: who is at the socket is in the network. */
export function switchDirectory(): string {
  const runtime = process.env.XDG_RUNTIME_DIR;
  const { uid } = userInfo();
  const directory = runtime === undefined ? join(tmpdir(), `viv-${uid}`) : join(runtime, "viv");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const found = lstatSync(directory);
  if (!found.isDirectory() || (process.getuid !== undefined && (found.uid !== uid || (found.mode & 0o077) !== 0))) {
    const message = `--net: ${directory} cannot hold sockets; expected a directory that is only yours`;
    throw new VivariumError("network/connect", message, { directory });
  }
  return directory;
}

/** The switch as one program serves it: to machines of ours at one socket, to QEMU's at another. */
class SwitchHub {
  readonly #lock: FileLock;
  readonly #servers: readonly { readonly path: string; readonly server: Server }[];
  readonly #exchange = new Switch();
  readonly #clock = new NodeOutside();
  readonly #sockets = new Set<Socket>();
  isClosed = false;

  private constructor(path: string, lock: FileLock) {
    this.#lock = lock;
    this.#servers = [
      { path, server: createServer((socket) => this.#welcome(socket, false)) },
      { path: `${path}${OURS}`, server: createServer((socket) => this.#welcome(socket, true)) },
    ];
  }

  /** @returns null when a program serves it already */
  static async serve(path: string): Promise<SwitchHub | null> {
    const lock = await FileLock.acquire(path).catch((error: unknown) => {
      if (error instanceof VivariumError && error.code === "file/in-use") return null;
      throw error;
    });
    if (lock === null) return null;
    const hub = new SwitchHub(path, lock);
    try {
      for (const { path: place, server } of hub.#servers) await listen(server, place);
    } catch (error) {
      await hub.close();
      throw error;
    }
    return hub;
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const { server } of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#lock.release();
  }

  #welcome(socket: Socket, isOurs: boolean): void {
    socket.on("error", () => {});
    if (this.#sockets.size >= STATIONS_MAX || this.isClosed) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const port = new ImpatientLink(this.#exchange.port(), this.#clock);
    const station = new PeerStation(socketPeer(socket, isOurs), port);
    readFrames(socket, isOurs, (frame) => station.receivedFrame(frame));
    socket.on("drain", () => station.drained());
    socket.once("close", () => {
      this.#sockets.delete(socket);
      void port.close();
    });
  }
}

/** @throws VivariumError `network/connect` */
async function listen(server: Server, path: string): Promise<void> {
  // What a program that was killed has left behind.
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new VivariumError("network/connect", `--net: cannot listen on unix:${path}: ${error.code}`, { path }));
    });
    server.listen(path, () => resolve());
  });
  server.on("error", () => {});
}
