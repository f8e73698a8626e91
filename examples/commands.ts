/** Commands in a guest: their output, their status, their input, and how long they may take. */
import { Machine } from "vivarium";

await using machine = await Machine.create({ image: "debian-mini", memoryMiB: 256, harts: 1 });

const { exitCode, stdout } = await machine.exec("uname -sm");
console.log(exitCode, stdout.trim()); // 0 Linux riscv64

// A program with its arguments as they are; a shell is only asked when the command is one text.
const words = await machine.exec(["wc", "-w"], { input: "one two three" });
console.log(words.stdout.trim()); // 3

// Errors have a code.
try {
  await machine.exec("sleep 1000", { timeoutMs: 200 });
} catch (error) {
  console.log((error as { code: string }).code); // timeout
}

// How it ended, exactly.
const killed = await machine.exec("kill -KILL $$");
console.log(killed.exitCode, killed.signal); // 137 SIGKILL
