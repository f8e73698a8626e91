import { useEffect, useState } from "preact/hooks";
import type { AuditEntry, Role, TokenView } from "../../../host/control/hypervisor/schemas.js";
import { RequestError } from "../client/connection.js";
import { formatTime } from "../client/format.js";
import { act, useApp } from "../parts/app-context.js";
import { Confirm, Dialog, FormDialog } from "../parts/dialog.js";
import { SelectField, TextField } from "../parts/fields.js";
import { Icon } from "../parts/icon.js";

const ROLES: readonly (readonly [Role, string])[] = [
  ["viewer", "viewer: sees all, changes nothing"],
  ["operator", "operator: runs and changes machines"],
  ["admin", "admin: pools, images and tokens, too"],
];
const DAY_S = 86_400;
const TERMS: readonly (readonly [string, string])[] = [
  [String(DAY_S), "a day"],
  [String(30 * DAY_S), "30 days"],
  [String(365 * DAY_S), "a year"],
  ["", "for ever"],
];
const AUDIT_LAST = 200;

/** Who may do what, and who did. */
export function AccessView() {
  const app = useApp();
  const [version, setVersion] = useState(0);
  const { tokens, audit, problem } = useAccess(version);
  const [isCreating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<TokenView | null>(null);
  const reload = (): void => setVersion((now) => now + 1);
  return (
    <main>
      <header class="view-head">
        <h2>Access</h2>
        <button type="button" class="primary" onClick={() => setCreating(true)} disabled={problem !== null}>
          <Icon name="plus" />
          <span>Create token</span>
        </button>
      </header>
      {problem !== null && <p class="banner">{problem}</p>}
      <section aria-labelledby="tokens">
        <h3 id="tokens">Tokens</h3>
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Label</th>
              <th scope="col">Role</th>
              <th scope="col">Last used</th>
              <th scope="col">Until</th>
              <th scope="col">
                <span class="unseen">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {tokens.map((token) => (
              <tr key={token.id}>
                <td>{token.label}</td>
                <td>{token.role}</td>
                <td class="time">{token.lastUsedAt === null ? "never" : formatTime(token.lastUsedAt)}</td>
                <td class="time">{token.expiresAt === null ? "" : formatTime(token.expiresAt)}</td>
                <td>
                  <button
                    type="button"
                    class="plain"
                    aria-label={`Revoke ${token.label}`}
                    onClick={() => setRevoking(token)}
                  >
                    <Icon name="trash" />
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <section aria-labelledby="audit">
        <h3 id="audit">Audit</h3>
        <AuditList entries={audit} />
      </section>
      {isCreating && (
        <TokenDialog
          onClose={() => {
            setCreating(false);
            reload();
          }}
        />
      )}
      {revoking !== null && (
        <Confirm
          title={`Revoke ${revoking.label}?`}
          text="Whoever uses it is out at once."
          verb="Revoke"
          onClose={() => setRevoking(null)}
          onConfirm={() =>
            void act(app, `Revoking ${revoking.label}`, "token.revoke", { token: revoking.id }).then(reload)
          }
        />
      )}
    </main>
  );
}

function AuditList({ entries }: { readonly entries: readonly AuditEntry[] }) {
  return (
    <table class="list">
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">Who</th>
          <th scope="col">Action</th>
          <th scope="col">Machine</th>
          <th scope="col">Outcome</th>
        </tr>
      </thead>
      <tbody>
        {entries.toReversed().map(({ id, time, principal, action, machine, outcome, message }) => (
          <tr key={id} class={outcome === "done" ? undefined : "problem"}>
            <td class="time">{formatTime(time)}</td>
            <td>{principal}</td>
            <td>{action}</td>
            <td>{machine}</td>
            <td>
              {outcome}
              {outcome !== "done" && message !== "" && `: ${message}`}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Asks for a token's label and role, then shows its secret, this once. */
function TokenDialog({ onClose }: { readonly onClose: () => void }) {
  const app = useApp();
  const [label, setLabel] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [term, setTerm] = useState(String(30 * DAY_S));
  const [secret, setSecret] = useState<string | null>(null);
  const create = async (): Promise<void> => {
    const expiry = term === "" ? {} : { expiresInSeconds: Number(term) };
    const done = await act(app, `Creating ${label}`, "token.create", { label, role, ...expiry });
    if (done === null) onClose();
    else setSecret(done.result.secret);
  };
  if (secret !== null) {
    return (
      <Dialog title={`Token ${label}`} onClose={onClose}>
        <div class="stack">
          <p>Keep it now: it is shown this once.</p>
          <output class="secret">{secret}</output>
          <footer>
            <button type="button" onClick={() => void navigator.clipboard?.writeText(secret)}>
              Copy
            </button>
            <button type="button" class="primary" onClick={onClose}>
              Done
            </button>
          </footer>
        </div>
      </Dialog>
    );
  }
  return (
    <FormDialog title="Create a token" verb="Create" onSubmit={() => void create()} onClose={onClose}>
      <TextField
        label="Label"
        value={label}
        onChange={setLabel}
        required
        maxLength={100}
        help="Whose it is: the audit names it"
      />
      <SelectField label="Role" value={role} choices={ROLES} onChange={(value) => setRole(value as Role)} />
      <SelectField label="It counts for" value={term} choices={TERMS} onChange={setTerm} />
    </FormDialog>
  );
}

interface Access {
  readonly tokens: readonly TokenView[];
  readonly audit: readonly AuditEntry[];
  readonly problem: string | null;
}

function useAccess(version: number): Access {
  const { store } = useApp();
  const [access, setAccess] = useState<Access>({ tokens: [], audit: [], problem: null });
  // The version is why to ask again.
  useEffect(() => {
    let isGone = false;
    const ask = async (): Promise<Access> => {
      const { connection } = store;
      const [tokens, audit] = await Promise.all([
        connection.perform("token.list", {}),
        connection.perform("audit.list", { last: AUDIT_LAST }),
      ]);
      return { tokens, audit, problem: null };
    };
    ask().then(
      (asked) => {
        if (!isGone) setAccess(asked);
      },
      (error: unknown) => {
        if (!(error instanceof RequestError)) throw error;
        const problem = error.status === 403 ? "Only a token with the role admin may see this." : error.message;
        if (!isGone) setAccess({ tokens: [], audit: [], problem });
      },
    );
    return () => {
      isGone = true;
    };
  }, [store, version]);
  return access;
}
