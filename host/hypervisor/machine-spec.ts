import {
  type CpuSettings,
  type MachineRequest,
  type MachineSpec,
  SAVE_EVERY_SECONDS_DEFAULT,
  SHARES_DEFAULT,
} from "../control/hypervisor/schemas.js";
import { DEBIAN_MINI } from "../images/image-names.js";

/** The pool that all others are in. */
export const ROOT_POOL = "root";

export const CPU_DEFAULT: CpuSettings = { shares: SHARES_DEFAULT, reservation: 0, limit: null };
const MEMORY_MIB = 256;

/** What was asked for, or written down by an older version, with the defaults of what was left out. */
export function specOf({ start: _, cpu, ...request }: MachineRequest): MachineSpec {
  return {
    image: DEBIAN_MINI,
    memoryMiB: MEMORY_MIB,
    harts: 1,
    pool: ROOT_POOL,
    networks: ["user"],
    folders: [],
    append: "",
    autostart: false,
    restart: "on-failure",
    saveEverySeconds: SAVE_EVERY_SECONDS_DEFAULT,
    isolated: false,
    virtio: "modern",
    description: "",
    ...request,
    cpu: { ...CPU_DEFAULT, ...cpu },
  };
}
