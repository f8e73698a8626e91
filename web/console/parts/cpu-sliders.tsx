import type { CpuSettings } from "../../../host/control/hypervisor/schemas.js";
import { formatPercent } from "../client/format.js";
import { Slider } from "./fields.js";

const SHARES = [1, 5, 10, 25, 50, 75, 100, 150, 200, 300, 400, 600, 800, 1200, 1600, 3200, 10_000];
const FRACTIONS = [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
/** Stands for none: to the right of every limit. */
const NO_LIMIT = Number.POSITIVE_INFINITY;

/** What of the host's processors is given. @param processors how many the host has: of a pool; 1 for a machine */
export function CpuSliders({
  cpu,
  processors,
  onChange,
}: {
  readonly cpu: CpuSettings;
  readonly processors: number;
  readonly onChange: (change: Partial<CpuSettings>) => void;
}) {
  const wholes = Array.from({ length: Math.max(0, processors - 1) }, (_, index) => index + 2);
  const fractions = [...FRACTIONS, ...wholes];
  return (
    <div class="sliders">
      <Slider
        label="Shares"
        steps={SHARES}
        value={cpu.shares}
        format={(shares) => String(shares)}
        onChange={(shares) => onChange({ shares })}
      />
      <Slider
        label="Reservation"
        steps={fractions}
        value={cpu.reservation}
        format={(part) => (part === 0 ? "none" : formatPercent(part))}
        onChange={(reservation) => onChange({ reservation })}
      />
      <Slider
        label="Limit"
        steps={[...fractions.slice(1), NO_LIMIT]}
        value={cpu.limit ?? NO_LIMIT}
        format={(part) => (part === NO_LIMIT ? "none" : formatPercent(part))}
        onChange={(limit) => onChange({ limit: limit === NO_LIMIT ? null : limit })}
      />
    </div>
  );
}
