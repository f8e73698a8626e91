import { useRef, useState } from "preact/hooks";
import { RequestError } from "../client/connection.js";
import { go } from "../client/route.js";
import { importMachine } from "../client/upload.js";
import { useApp } from "../parts/app-context.js";
import { FormDialog } from "../parts/dialog.js";
import { NameField, TextField } from "../parts/fields.js";

/** A machine from a file of this computer. @param file what was dropped, or null to ask for one */
export function ImportDialog({ file: dropped, onClose }: { readonly file: File | null; readonly onClose: () => void }) {
  const { store, notices } = useApp();
  const [file, setFile] = useState(dropped);
  const [name, setName] = useState(dropped === null ? "" : nameOf(dropped));
  const [passphrase, setPassphrase] = useState("");
  const input = useRef<HTMLInputElement>(null);

  const send = (): void => {
    if (file === null) return;
    onClose();
    const text = `Importing ${name}`;
    const notice = notices.busy(text);
    importMachine(store.connection, file, name, passphrase, (progress, message) =>
      notice.update(`${text}: ${message}`, progress),
    ).then(
      () => {
        notice.close();
        go({ view: "machine", name, tab: "overview" });
      },
      (error: unknown) => {
        if (!(error instanceof RequestError)) throw error;
        notice.fail(`${text}: ${error.message}`);
      },
    );
  };

  return (
    <FormDialog title="Import a machine" verb="Import" onSubmit={send} onClose={onClose}>
      <label class="field">
        File
        <input
          ref={input}
          type="file"
          accept=".viv,.vivx"
          required={file === null}
          onChange={({ currentTarget }) => {
            const chosen = currentTarget.files?.[0] ?? null;
            setFile(chosen);
            if (chosen !== null && name === "") setName(nameOf(chosen));
          }}
        />
        <small class="quiet">{file === null ? "A machine's file (.viv) or its export" : file.name}</small>
      </label>
      <NameField value={name} onChange={setName} />
      <TextField
        label="Passphrase"
        type="password"
        value={passphrase}
        onChange={setPassphrase}
        help="If it was exported with one"
      />
    </FormDialog>
  );
}

/** Of the file's name, what a machine's may have. */
function nameOf(file: File): string {
  return file.name
    .replace(/\.\w+$/, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63);
}
