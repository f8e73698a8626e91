import { lstatSync, rmSync } from "node:fs";
import { connect } from "node:net";

/**
 * Removes a Unix socket that nobody listens at: a program that was killed has left it. Whatever else is at the path
 * stays.
 */
export async function removeDeadSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSocket() !== true) return;
  const isDead = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
  if (isDead) rmSync(path, { force: true });
}
