/** How memory is taken from machines and given back: a function of how they stand, without any of them. */

/** A machine as the policy sees it. */
export interface MemoryClaim {
  readonly name: string;
  /** `evicted`: asleep in its file only because somebody else needed its memory. */
  readonly state: "present" | "evicted" | "absent";
  /** Whether it cannot be hibernated now. */
  readonly isHeld: boolean;
  /** Memory of the host that it takes up. */
  readonly takenByteLength: number;
  /** What it is expected to take up when it comes. */
  readonly arrivalByteLength: number;
  /** Of its guest. */
  readonly memoryByteLength: number;
  /** Of its guest's memory, what it could do without, the balloon included; null of a guest that has not said. */
  readonly spareByteLength: number | null;
  /** What its balloon is to take. */
  readonly balloonTargetByteLength: number;
  /** Whether the policy has set the target, and not an operator. */
  readonly isBalloonOurs: boolean;
  readonly lastActiveMs: number;
}

export interface MemoryNeed {
  /** What is over the budget; 0 or less when there is room. */
  readonly missingByteLength: number;
  readonly budgetByteLength: number;
  readonly nowMs: number;
}

export interface MemoryPlan {
  /** Whether guests are to be asked how they stand. */
  readonly isPressed: boolean;
  readonly balloons: readonly { readonly name: string; readonly byteLength: number }[];
  /** The longest idle first. */
  readonly hibernate: readonly string[];
  /** Those that have slept longest first. */
  readonly wake: readonly string[];
}

const MIB = 2 ** 20;
/** From here on balloons are inflated: they keep guests from taking more, and prepare what hibernation frees. */
const PRESSURE = 0.85;
/** Below this they are deflated, and machines that were hibernated wake. */
const RELIEF = 0.7;
/** What a balloon leaves a guest at least. */
const LEFT_BYTE_LENGTH_MIN = 64 * MIB;
/** Of what it could do without, what it keeps: it takes more in a second than it did in the last. */
const SPARE_KEPT_MIN = 32 * MIB;
const SPARE_KEPT_PART = 0.1;
/** Smaller steps than this are only its end: what a guest says wavers by some MiB while its balloon changes. */
const STEP_MIN = 16 * MIB;
/** A machine that has done something within this time is not idle: it sleeps last. */
const IDLE_MS = 5000;

/** What is to be done now. */
export function planMemory(claims: readonly MemoryClaim[], need: MemoryNeed): MemoryPlan {
  const used = need.budgetByteLength + need.missingByteLength;
  const pressure = used / need.budgetByteLength;
  const present = claims.filter(({ state }) => state === "present");
  return {
    isPressed: pressure >= PRESSURE,
    balloons: pressure >= PRESSURE ? inflated(present) : pressure <= RELIEF ? deflated(present) : [],
    hibernate: need.missingByteLength > 0 ? sleepers(present, need) : [],
    wake: pressure <= RELIEF ? woken(claims, need.budgetByteLength * RELIEF - used) : [],
  };
}

/** Guests may keep what they have in use and a little more; who needs more by now has it. */
function inflated(present: readonly MemoryClaim[]): MemoryPlan["balloons"] {
  return present.flatMap(({ name, memoryByteLength, spareByteLength, balloonTargetByteLength, isBalloonOurs }) => {
    if (spareByteLength === null || (balloonTargetByteLength > 0 && !isBalloonOurs)) return [];
    const kept = Math.max(SPARE_KEPT_MIN, SPARE_KEPT_PART * (memoryByteLength - spareByteLength));
    const most = Math.min(spareByteLength - kept, memoryByteLength - LEFT_BYTE_LENGTH_MIN);
    const byteLength = Math.floor(Math.max(0, most) / MIB) * MIB;
    const isStep = Math.abs(byteLength - balloonTargetByteLength) >= STEP_MIN;
    return isStep || (byteLength === 0 && balloonTargetByteLength > 0) ? [{ name, byteLength }] : [];
  });
}

function deflated(present: readonly MemoryClaim[]): MemoryPlan["balloons"] {
  return present.flatMap(({ name, balloonTargetByteLength, isBalloonOurs }) =>
    isBalloonOurs && balloonTargetByteLength > 0 ? [{ name, byteLength: 0 }] : [],
  );
}

/** The longest idle first, as many as are needed; those that are busy only if the idle ones do not suffice. */
function sleepers(present: readonly MemoryClaim[], { missingByteLength, nowMs }: MemoryNeed): string[] {
  const candidates = present.filter(({ isHeld }) => !isHeld).sort((a, b) => a.lastActiveMs - b.lastActiveMs);
  const isIdle = ({ lastActiveMs }: MemoryClaim) => nowMs - lastActiveMs >= IDLE_MS;
  const names: string[] = [];
  let left = missingByteLength;
  for (const { name, takenByteLength } of [
    ...candidates.filter(isIdle),
    ...candidates.filter((claim) => !isIdle(claim)),
  ]) {
    if (left <= 0) break;
    names.push(name);
    left -= takenByteLength;
  }
  return names;
}

function woken(claims: readonly MemoryClaim[], room: number): string[] {
  const names: string[] = [];
  let left = room;
  const evicted = claims.filter(({ state }) => state === "evicted").sort((a, b) => a.lastActiveMs - b.lastActiveMs);
  for (const { name, arrivalByteLength } of evicted) {
    left -= arrivalByteLength;
    if (left < 0) break;
    names.push(name);
  }
  return names;
}
