import { useState } from "preact/hooks";
import type {
  CpuSettings,
  MachineRequest,
  MachineSpec,
  RestartPolicy,
} from "../../../host/control/hypervisor/schemas.js";
import { go } from "../client/route.js";
import { act, useApp } from "../parts/app-context.js";
import { CpuSliders } from "../parts/cpu-sliders.js";
import { FormDialog } from "../parts/dialog.js";
import {
  CheckField,
  NameField,
  NumberField,
  RestartField,
  SaveField,
  SelectField,
  TextField,
} from "../parts/fields.js";

const IMAGE_DEFAULT = "debian-mini";
const SAVE_EVERY_SECONDS_DEFAULT = 30;
const VIRTIO_CHOICES: readonly (readonly [MachineSpec["virtio"], string])[] = [
  ["modern", "modern"],
  ["legacy", "legacy: version 1"],
];
const CPU_DEFAULT: CpuSettings = { shares: 100, reservation: 0, limit: null };

/** A machine from an image, by form. */
export function CreateDialog({ onClose }: { readonly onClose: () => void }) {
  const app = useApp();
  const { store } = app;
  const [name, setName] = useState(freeName(store.names.value));
  const [image, setImage] = useState(IMAGE_DEFAULT);
  const [memoryMiB, setMemoryMiB] = useState(256);
  const [harts, setHarts] = useState(1);
  const [pool, setPool] = useState("root");
  const [network, setNetwork] = useState("user");
  const [cpu, setCpu] = useState<CpuSettings>(CPU_DEFAULT);
  const [autostart, setAutostart] = useState(false);
  const [restart, setRestart] = useState<RestartPolicy>("on-failure");
  const [saveEverySeconds, setSaveEverySeconds] = useState<number | null>(SAVE_EVERY_SECONDS_DEFAULT);
  const [isolated, setIsolated] = useState(false);
  const [virtio, setVirtio] = useState<MachineSpec["virtio"]>("modern");
  const [description, setDescription] = useState("");

  const create = (): void => {
    onClose();
    const networks = network.trim() === "" ? [] : network.trim().split(/\s+/);
    const request: MachineRequest = {
      name,
      image,
      memoryMiB,
      harts,
      pool,
      networks,
      cpu,
      autostart,
      restart,
      saveEverySeconds,
      isolated,
      virtio,
      description,
    };
    void act(app, `Creating ${name}`, "machine.create", request).then((done) => {
      if (done !== null) go({ view: "machine", name, tab: "console" });
    });
  };

  const images = new Set([IMAGE_DEFAULT, ...store.images.value.map((known) => known.name)]);
  return (
    <FormDialog title="Create a machine" verb="Create" onSubmit={create} onClose={onClose}>
      <NameField value={name} onChange={setName} />
      <div class="row">
        <SelectField
          label="Image"
          value={image}
          choices={[...images].map((known) => [known, known])}
          onChange={setImage}
        />
        <SelectField
          label="Pool"
          value={pool}
          choices={store.pools.value.map(({ spec }) => [spec.name, spec.name])}
          onChange={setPool}
        />
      </div>
      <div class="row">
        <NumberField label="Memory (MiB)" value={memoryMiB} min={16} max={3072} step={1} onChange={setMemoryMiB} />
        <NumberField label="Harts" value={harts} min={1} max={8} step={1} onChange={setHarts} />
      </div>
      <CpuSliders cpu={cpu} processors={1} onChange={(change) => setCpu((now) => ({ ...now, ...change }))} />
      <details>
        <summary>More</summary>
        <TextField
          label="Networks"
          value={network}
          onChange={setNetwork}
          help={
            <>
              As <code>viv run --net</code> takes them, e.g. <code>user,forward=127.0.0.1:8080:80</code>; empty for none
            </>
          }
        />
        <div class="row">
          <RestartField value={restart} onChange={setRestart} />
          <SaveField value={saveEverySeconds} onChange={setSaveEverySeconds} />
        </div>
        <SelectField
          label="Virtio"
          value={virtio}
          choices={VIRTIO_CHOICES}
          onChange={(chosen) => setVirtio(chosen as MachineSpec["virtio"])}
        />
        <TextField label="Description" value={description} onChange={setDescription} maxLength={1000} />
        <CheckField label="Start it with the hypervisor" checked={autostart} onChange={setAutostart} />
        <CheckField label="A worker for itself" checked={isolated} onChange={setIsolated} />
      </details>
    </FormDialog>
  );
}

function freeName(taken: ReadonlySet<string>): string {
  for (let number = 1; ; number++) {
    const name = `machine-${number}`;
    if (!taken.has(name)) return name;
  }
}
