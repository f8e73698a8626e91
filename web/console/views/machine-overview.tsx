import { useEffect, useMemo, useState } from "preact/hooks";
import type { CpuSettings, MachineChange, MachineView, Sample } from "../../../host/control/hypervisor/schemas.js";
import { formatBytes, formatCount, formatDuration, formatPercent, formatTime } from "../client/format.js";
import { act, useApp } from "../parts/app-context.js";
import { Chart } from "../parts/chart.js";
import { CpuSliders } from "../parts/cpu-sliders.js";
import { CheckField, RestartField, SaveField, SelectField, Slider } from "../parts/fields.js";

const SAMPLES_MS = 2000;
const SAMPLES_MAX = 3600;
const MIB = 1024 * 1024;

/** What a machine does, what it is given, and what it has used. */
export function MachineOverview({ machine }: { readonly machine: MachineView }) {
  return (
    <div class="columns">
      <Charts machine={machine} />
      <div>
        <Resources machine={machine} />
        <Facts machine={machine} />
      </div>
    </div>
  );
}

function Charts({ machine }: { readonly machine: MachineView }) {
  const { name } = machine.spec;
  const samples = useSamples(name);
  const lines = useMemo(() => {
    const values = (field: Exclude<keyof Sample, "time">): readonly number[] => samples.map((sample) => sample[field]);
    return {
      times: samples.map(({ time }) => time),
      processor: [
        { label: "used", color: "--accent", values: values("processors") },
        { label: "waited for", color: "--busy", values: values("steal") },
      ],
      memory: [{ label: "touched", color: "--accent", values: values("touchedByteLength") }],
      disk: [{ label: "disks", color: "--accent", values: values("diskBytesPerSecond") }],
      network: [{ label: "networks", color: "--accent", values: values("networkBytesPerSecond") }],
    };
  }, [samples]);
  const { times } = lines;
  const perSecond = (value: number): string => `${formatBytes(value)}/s`;
  return (
    <section aria-label="Load" class="charts">
      <Chart title="Processor" times={times} series={lines.processor} format={formatPercent} max={1} />
      <Chart
        title="Memory"
        times={times}
        series={lines.memory}
        format={formatBytes}
        isBytes
        max={machine.spec.memoryMiB * MIB}
      />
      <Chart title="Disks" times={times} series={lines.disk} format={perSecond} isBytes max={MIB} />
      <Chart title="Networks" times={times} series={lines.network} format={perSecond} isBytes max={MIB} />
    </section>
  );
}

/** The last hour's readings, kept fresh while the machine is looked at. */
function useSamples(machine: string): readonly Sample[] {
  const { store } = useApp();
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  useEffect(() => {
    let isGone = false;
    let known: readonly Sample[] = [];
    const ask = async (): Promise<void> => {
      if (document.visibilityState === "hidden") return;
      const since = known.at(-1)?.time;
      const input = since === undefined ? { machine } : { machine, since: since + 1 };
      const fresh = await store.connection.perform("machine.samples", input).catch(() => []);
      if (isGone || fresh.length === 0) return;
      known = [...known, ...fresh].slice(-SAMPLES_MAX);
      setSamples(known);
    };
    void ask();
    const timer = setInterval(() => void ask(), SAMPLES_MS);
    return () => {
      isGone = true;
      clearInterval(timer);
    };
  }, [machine, store]);
  return samples;
}

/** What can be changed while the machine runs: it acts at once. */
function Resources({ machine: { spec, load } }: { readonly machine: MachineView }) {
  const app = useApp();
  const { name } = spec;
  const set = (change: MachineChange): void =>
    void act(app, `Changing ${name}`, "machine.set", { machine: name, ...change });
  const memorySteps = Array.from({ length: 16 }, (_, index) => Math.round(((index + 1) * spec.memoryMiB) / 16));
  const targetMiB = spec.memoryMiB - Math.round(load.balloonByteLength / MIB);
  return (
    <section aria-labelledby="resources">
      <h3 id="resources">Resources</h3>
      <fieldset disabled={!app.store.mayChange}>
        <CpuSliders cpu={spec.cpu} processors={1} onChange={(cpu: Partial<CpuSettings>) => set({ cpu })} />
        <div class="sliders">
          <Slider
            label="Memory left to the guest"
            steps={memorySteps.filter((step) => step >= 16)}
            value={targetMiB}
            format={(mib) => (mib >= spec.memoryMiB ? `all ${spec.memoryMiB} MiB` : `${mib} MiB`)}
            onChange={(memoryTargetMiB) => set({ memoryTargetMiB })}
          />
        </div>
        <div class="row">
          <SelectField
            label="Pool"
            value={spec.pool}
            choices={app.store.pools.value.map((pool) => [pool.spec.name, pool.spec.name])}
            onChange={(pool) => set({ pool })}
          />
          <RestartField value={spec.restart} onChange={(restart) => set({ restart })} />
          <SaveField value={spec.saveEverySeconds} onChange={(saveEverySeconds) => set({ saveEverySeconds })} />
        </div>
        <CheckField
          label="Start it with the hypervisor"
          checked={spec.autostart}
          onChange={(autostart) => set({ autostart })}
        />
        <CheckField label="A worker for itself" checked={spec.isolated} onChange={(isolated) => set({ isolated })} />
      </fieldset>
    </section>
  );
}

function Facts({ machine }: { readonly machine: MachineView }) {
  const { spec, usage, load } = machine;
  const facts: readonly (readonly [string, string])[] = [
    ["Description", spec.description],
    ["Image", spec.image],
    ["Harts", String(spec.harts)],
    ["Virtio", spec.virtio],
    ["Networks", spec.networks.join("\n")],
    [
      "Folders",
      spec.folders
        .map(({ tag, directory, readOnly }) => `${tag}: ${directory}${readOnly ? " (read only)" : ""}`)
        .join("\n"),
    ],
    ["Created", formatTime(machine.createdAt)],
    ["Up", machine.startedAt === null ? "" : formatDuration(Date.now() - machine.startedAt)],
    ["Worker", machine.worker === null ? "" : String(machine.worker)],
    ["Guest agent", machine.agentReady ? "answers" : "does not answer"],
    ["Entitled to", `${formatPercent(load.entitlement)} of a processor`],
    ["Waited for a processor", formatPercent(load.steal)],
    ["File", formatBytes(load.savedByteLength)],
    ["Processor time", formatDuration(usage.processorSeconds * 1000)],
    ["Instructions", formatCount(usage.instructions)],
    ["Memory", `${usage.memoryGibSeconds.toFixed(1)} GiB·s`],
    ["Energy, estimated", `${formatCount(Math.round(usage.energyJoules))} J`],
    ["Disks", `${formatBytes(usage.diskReadBytes)} read, ${formatBytes(usage.diskWrittenBytes)} written`],
    ["Networks", `${formatBytes(usage.networkReceivedBytes)} received, ${formatBytes(usage.networkSentBytes)} sent`],
  ];
  return (
    <section aria-labelledby="facts">
      <h3 id="facts">Facts</h3>
      <dl>
        {facts
          .filter(([, text]) => text !== "")
          .map(([term, text]) => (
            <div key={`${term} ${text}`}>
              <dt>{term}</dt>
              <dd>{text}</dd>
            </div>
          ))}
      </dl>
    </section>
  );
}
