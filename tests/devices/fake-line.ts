import type { InterruptLine } from "../../host/devices/device.js";

/** An interrupt line that remembers its level and how often it rose. */
export class FakeLine implements InterruptLine {
  level = false;
  riseCount = 0;

  set(level: boolean): void {
    if (level && !this.level) this.riseCount++;
    this.level = level;
  }
}
