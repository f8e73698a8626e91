import { useState } from "preact/hooks";
import { Connection, RequestError } from "../client/connection.js";
import { keepToken } from "../client/session-token.js";
import icon from "../icon.svg";

/** Asks for a token, and tries it. */
export function SignIn({
  onSignedIn,
  reason,
}: {
  readonly onSignedIn: (connection: Connection) => void;
  readonly reason: string | null;
}) {
  const [token, setToken] = useState("");
  const [remember, setRemember] = useState(false);
  const [problem, setProblem] = useState(reason);
  const [isBusy, setBusy] = useState(false);

  const signIn = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    const connection = new Connection(location.origin, token.trim());
    try {
      await connection.perform("host.get", {});
      keepToken(connection.token, remember);
      onSignedIn(connection);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setProblem(
        error.status === 401 ? "This token is not one of this hypervisor, or its time is over." : error.message,
      );
      setBusy(false);
    }
  };

  return (
    <main class="sign-in">
      <form onSubmit={signIn}>
        <h1>
          <img src={icon} alt="" width="28" height="28" />
          Vivarium
        </h1>
        <label>
          Token
          <input
            type="password"
            name="token"
            autocomplete="current-password"
            required
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
            aria-describedby="token-help"
          />
        </label>
        <p id="token-help" class="quiet">
          <code>viv serve</code> prints one with the console's address when it first starts;{" "}
          <code>viv token create</code> makes more.
        </p>
        <label class="check">
          <input
            type="checkbox"
            checked={remember}
            onInput={({ currentTarget }) => setRemember(currentTarget.checked)}
          />
          Keep it on this computer
        </label>
        {problem !== null && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" class="primary" disabled={isBusy}>
          Sign in
        </button>
      </form>
    </main>
  );
}
