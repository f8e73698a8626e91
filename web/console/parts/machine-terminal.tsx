import { useEffect, useRef, useState } from "preact/hooks";
import type { ClientMessage, ServerMessage } from "../../../host/control/hypervisor/socket-messages.js";
import { GuestTerminal } from "../../terminal/guest-terminal.js";
import { useApp } from "./app-context.js";

const RETRY_MS = 1000;

/** A machine's serial console. It outlives reloads: the hypervisor shows the last screen to whoever comes. */
export function MachineTerminal({ machine }: { readonly machine: string }) {
  const { store } = useApp();
  const element = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    let socket: WebSocket | null = null;
    let isGone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const send = (data: string | Uint8Array<ArrayBuffer>): void => {
      if (socket?.readyState === WebSocket.OPEN) socket.send(data);
    };
    const sendSize = (columns: number, rows: number): void =>
      send(JSON.stringify({ type: "resize", columns, rows } satisfies ClientMessage));
    const terminal = new GuestTerminal(element.current!, {
      onInput: (bytes) => send(new Uint8Array(bytes)),
      onResize: sendSize,
      onLeave: () => document.querySelector<HTMLElement>("[role=tab][aria-selected=true]")?.focus(),
    });
    const connect = (): void => {
      const path = `/v1/machines/${encodeURIComponent(machine)}/console`;
      const opened = store.connection.socket(path);
      socket = opened;
      opened.onopen = () => {
        setProblem(null);
        terminal.reset();
        sendSize(terminal.columns, terminal.rows);
      };
      let reason = "The console is not connected. Trying again.";
      opened.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
        if (typeof data !== "string") {
          void terminal.write(new Uint8Array(data));
          return;
        }
        const message = JSON.parse(data) as ServerMessage;
        if (message.type === "ended") reason = message.reason;
        else if (message.type === "error") reason = message.error.message;
      };
      opened.onclose = () => {
        if (isGone) return;
        setProblem(reason);
        timer = setTimeout(connect, RETRY_MS);
      };
    };
    connect();
    if (matchMedia("(pointer: fine)").matches) terminal.focus();
    return () => {
      isGone = true;
      clearTimeout(timer);
      socket?.close();
      terminal.dispose();
    };
  }, [machine, store]);

  return (
    <div class="terminal-frame">
      {problem !== null && (
        <p class="banner" role="status">
          {problem}
        </p>
      )}
      <div class="terminal-screen" ref={element} />
    </div>
  );
}
