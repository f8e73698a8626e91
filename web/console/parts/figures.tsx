import type { MachineStatus } from "../../../host/control/hypervisor/schemas.js";

/** How much of something is taken: a bar, with a mark where something was promised. */
export function Meter({
  label,
  value,
  max,
  mark,
  text,
}: {
  readonly label: string;
  readonly value: number;
  readonly max: number;
  readonly mark?: number;
  readonly text: string;
}) {
  const part = (amount: number): string => `${max > 0 ? Math.min(100, (100 * amount) / max) : 0}%`;
  const fullness = max > 0 ? value / max : 0;
  return (
    <div class="meter">
      <span class="meter-label">{label}</span>
      <span class="meter-text">{text}</span>
      {/* biome-ignore lint/a11y/useSemanticElements: a meter element cannot hold the mark */}
      <div
        class="meter-bar"
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={max}
        aria-valuenow={Math.min(value, max)}
        aria-valuetext={text}
      >
        <div class={fullness > 0.9 ? "meter-fill full" : "meter-fill"} style={{ width: part(value) }} />
        {mark !== undefined && mark > 0 && <div class="meter-mark" style={{ left: part(mark) }} />}
      </div>
    </div>
  );
}

const WIDTH = 120;
const HEIGHT = 28;

/** The last minutes as a line without axes, newest at the right. @param max what reaches the top, at least */
export function Sparkline({
  values,
  length,
  max,
}: {
  readonly values: readonly number[];
  readonly length: number;
  readonly max: number;
}) {
  const top = Math.max(max, ...values);
  const x = (index: number): number => WIDTH - ((values.length - 1 - index) * WIDTH) / (length - 1);
  const y = (value: number): number => HEIGHT - 1 - (value / top) * (HEIGHT - 2);
  const line = values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {values.length > 1 && (
        <>
          <polygon points={`${x(0).toFixed(1)},${HEIGHT} ${line} ${WIDTH},${HEIGHT}`} />
          <polyline points={line} />
        </>
      )}
    </svg>
  );
}

const STATUS_TEXTS: Readonly<Record<MachineStatus, string>> = {
  off: "Off",
  starting: "Starting",
  running: "Running",
  paused: "Paused",
  hibernated: "Hibernated",
  failed: "Failed",
};

export function StatusBadge({ status }: { readonly status: MachineStatus }) {
  return (
    <span class={`status ${status}`}>
      <span class="dot" aria-hidden="true" />
      {STATUS_TEXTS[status]}
    </span>
  );
}
