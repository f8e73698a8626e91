import type { ComponentChildren, TargetedInputEvent } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { RestartPolicy } from "../../../host/control/hypervisor/schemas.js";
import { formatDuration } from "../client/format.js";

interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly help?: ComponentChildren;
  readonly required?: boolean;
  readonly pattern?: string;
  /** What is expected, when the pattern is not met. */
  readonly expected?: string;
  readonly maxLength?: number;
  readonly placeholder?: string;
  readonly type?: "text" | "password";
}

export function TextField({ label, value, onChange, help, expected, type = "text", ...rest }: TextFieldProps) {
  const helpId = useId();
  const input = {
    ...rest,
    value,
    autocomplete: "off",
    spellcheck: false,
    "aria-describedby": help === undefined ? undefined : helpId,
    onInput: ({ currentTarget }: TargetedInputEvent<HTMLInputElement>) => {
      const { patternMismatch } = currentTarget.validity;
      currentTarget.setCustomValidity(patternMismatch && expected !== undefined ? expected : "");
      onChange(currentTarget.value);
    },
  };
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the input is in it, whichever it is
    <label class="field">
      {label}
      {type === "password" ? <input type="password" {...input} /> : <input type="text" {...input} />}
      {help !== undefined && (
        <small id={helpId} class="quiet">
          {help}
        </small>
      )}
    </label>
  );
}

const NAME_PATTERN = "[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?";
const NAME_EXPECTED = "1 to 63 of a to z, 0 to 9 and -, which neither begins nor ends it";

interface NameFieldProps {
  readonly value: string;
  readonly onChange: (value: string) => void;
}

/** The name of a machine or a pool. */
export function NameField({ value, onChange }: NameFieldProps) {
  return (
    <TextField
      label="Name"
      value={value}
      onChange={onChange}
      required
      pattern={NAME_PATTERN}
      expected={NAME_EXPECTED}
      maxLength={63}
    />
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly onChange: (value: number) => void;
}

export function NumberField({ label, value, onChange, ...range }: NumberFieldProps) {
  return (
    <label class="field">
      {label}
      <input
        type="number"
        value={value}
        required
        {...range}
        onInput={({ currentTarget }) => {
          if (currentTarget.validity.valid) onChange(currentTarget.valueAsNumber);
        }}
      />
    </label>
  );
}

interface SelectFieldProps {
  readonly label: string;
  readonly value: string;
  readonly choices: readonly (readonly [value: string, text: string])[];
  readonly onChange: (value: string) => void;
}

export function SelectField({ label, value, choices, onChange }: SelectFieldProps) {
  return (
    <label class="field">
      {label}
      <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {choices.map(([choice, text]) => (
          <option key={choice} value={choice}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

const RESTART_CHOICES: readonly (readonly [RestartPolicy, string])[] = [
  ["on-failure", "when it has failed"],
  ["always", "whenever it ends"],
  ["never", "never"],
];

interface RestartFieldProps {
  readonly value: RestartPolicy;
  readonly onChange: (value: RestartPolicy) => void;
}

/** When a machine that has ended is started again. */
export function RestartField({ value, onChange }: RestartFieldProps) {
  return (
    <SelectField
      label="Restart"
      value={value}
      choices={RESTART_CHOICES}
      onChange={(chosen) => onChange(chosen as RestartPolicy)}
    />
  );
}

const NEVER = "never";
const SAVE_SECONDS = [5, 30, 60, 300, 3600];

interface SaveFieldProps {
  readonly value: number | null;
  readonly onChange: (value: number | null) => void;
}

/** How often a machine is saved by itself. */
export function SaveField({ value, onChange }: SaveFieldProps) {
  const known = value === null || SAVE_SECONDS.includes(value) ? SAVE_SECONDS : [...SAVE_SECONDS, value];
  const times = known.map((seconds) => [String(seconds), `every ${formatDuration(seconds * 1000)}`] as const);
  return (
    <SelectField
      label="Save by itself"
      value={value === null ? NEVER : String(value)}
      choices={[...times, [NEVER, "never"]]}
      onChange={(chosen) => onChange(chosen === NEVER ? null : Number(chosen))}
    />
  );
}

export function CheckField({
  label,
  checked,
  onChange,
}: {
  readonly label: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onInput={({ currentTarget }) => onChange(currentTarget.checked)} />
      {label}
    </label>
  );
}

interface SliderProps {
  readonly label: string;
  /** Positions of the slider, from left to right. */
  readonly steps: readonly number[];
  readonly value: number;
  /** What a position means, for people. */
  readonly format: (value: number) => string;
  /** Called while the slider moves, no more often than the hypervisor should hear of it. */
  readonly onChange: (value: number) => void;
}

const SETTLE_MS = 150;

/** Moves through given values; what it is moved to acts at once. */
export function Slider({ label, steps, value, format, onChange }: SliderProps) {
  const id = useId();
  const [moved, setMoved] = useState<number | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(() => {
    // The hypervisor's word counts again when it has heard of the last move.
    if (moved !== null && moved === value) setMoved(null);
  }, [moved, value]);
  const shown = moved ?? value;
  const move = (to: number): void => {
    setMoved(to);
    if (timer.current !== null) clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange(to), SETTLE_MS);
  };
  return (
    <div class="slider">
      <label for={id}>{label}</label>
      <output for={id}>{format(shown)}</output>
      <input
        id={id}
        type="range"
        min={0}
        max={steps.length - 1}
        step={1}
        value={nearest(steps, shown)}
        aria-valuetext={format(shown)}
        onInput={({ currentTarget }) => move(steps[currentTarget.valueAsNumber]!)}
      />
    </div>
  );
}

function nearest(steps: readonly number[], value: number): number {
  const exact = steps.indexOf(value);
  if (exact !== -1) return exact;
  const distances = steps.map((step) => Math.abs(step - value));
  return distances.indexOf(Math.min(...distances));
}
