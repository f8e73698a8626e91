/** A process in a guest as a conversation of Web Streams, and files. */
import { Machine } from "vivarium";

await using machine = await Machine.create({ image: "debian-mini" });

await machine.files.write("/tmp/double.sh", "while read n; do echo $((n * 2)); done\n");
const run = await machine.spawn("sh /tmp/double.sh");

const input = run.stdin.getWriter();
const output = run.stdout.pipeThrough(new TextDecoderStream()).getReader();
await input.write("21\n");
console.log((await output.read()).value?.trim()); // 42
await input.close();
console.log(await run.exitCode); // 0

for (const { name, kind } of await machine.files.list("/tmp")) console.log(name, kind); // double.sh file
console.log((await machine.files.stat("/tmp/double.sh")).byteLength); // 39

const sleeper = await machine.spawn(["sleep", "1000"]);
sleeper.kill("SIGINT");
console.log(await sleeper.exited); // { exitCode: 130, signal: 'SIGINT' }
