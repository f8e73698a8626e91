/**
 * A macvtap interface of Linux: a second Ethernet address at one of the host's network cards. Its device is a plain
 * file, unlike /dev/net/tun, which must be asked by ioctl for an interface; Node cannot do that without native code.
 *
 * Each read or write is a frame, with a virtio_net_hdr of 10 bytes before it. The cards' own checksums are off in it.
 */
import { close, constants, open, read, write } from "node:fs";
import { promisify } from "node:util";
import type { Link } from "../../../network/link.js";
import { type FramePeer, PeerLink } from "../../../network/peer-link.js";
import { VivariumError } from "../../../util/errors.js";

const HEADER_BYTE_LENGTH = 10;
const BUFFER_BYTE_LENGTH = HEADER_BYTE_LENGTH + 65_553;
/** The device cannot be waited for without keeping a thread of Node's from all other files, so it is asked. */
const POLL_MS = 2;
const TUN_DEVICE = "/dev/net/tun";

const openFile = promisify(open);

/** @throws VivariumError `network/tap` when the device cannot be used */
export async function openTap(device: string): Promise<Link> {
  if (device === TUN_DEVICE) {
    throw unusable(device, "it needs an ioctl, which Node has not; expected /dev/tapN of a macvtap interface");
  }
  let descriptor: number;
  try {
    descriptor = await openFile(device, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw unusable(device, `${code ?? message}; expected /dev/tapN of a macvtap interface, which this user may open`);
  }
  return new TapPoller(descriptor).link();
}

class TapPoller {
  readonly #descriptor: number;
  readonly #link = new PeerLink();
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTE_LENGTH);
  #pending = 0;
  #isPaused = false;
  #isClosed = false;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  link(): Link {
    const link = this.#link;
    link.setPeer(this.#peer());
    this.#read();
    return {
      connect: (station) => link.connect(station),
      send: (frame) => link.send(frame),
      resume: () => link.resume(),
      close: async () => {
        this.#isClosed = true;
        await link.close();
        close(this.#descriptor, () => {});
      },
    };
  }

  #peer(): FramePeer {
    const self = this;
    return {
      get pendingByteLength() {
        return self.#pending;
      },
      send: (frame) => this.#write(frame),
      pause: () => {
        this.#isPaused = true;
      },
      resume: () => {
        this.#isPaused = false;
      },
      close: () => {},
    };
  }

  #write(frame: Uint8Array): void {
    const bytes = new Uint8Array(HEADER_BYTE_LENGTH + frame.length);
    bytes.set(frame, HEADER_BYTE_LENGTH);
    this.#pending += bytes.length;
    // A frame that the card does not take is lost, as on any wire.
    write(this.#descriptor, bytes, () => {
      this.#pending -= bytes.length;
      if (this.#pending === 0) this.#link.drained();
    });
  }

  #read(): void {
    if (this.#isClosed) return;
    if (this.#isPaused) {
      this.#readLater();
      return;
    }
    read(this.#descriptor, this.#buffer, 0, BUFFER_BYTE_LENGTH, null, (error, byteLength) => {
      if (this.#isClosed) return;
      if (error !== null || byteLength <= HEADER_BYTE_LENGTH) {
        this.#readLater();
        return;
      }
      this.#link.received(Uint8Array.from(this.#buffer.subarray(HEADER_BYTE_LENGTH, byteLength)));
      this.#read();
    });
  }

  #readLater(): void {
    setTimeout(() => this.#read(), POLL_MS).unref();
  }
}

function unusable(device: string, reason: string): VivariumError {
  return new VivariumError("network/tap", `--net: tap device ${device}: ${reason}`, { device });
}
