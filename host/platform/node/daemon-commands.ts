import { resolve } from "node:path";
import type { Command } from "commander";
import type { Action } from "../../control/actions.js";
import { type ConnectionOptions, type DaemonCommand, daemonAction } from "../../control/cli/daemon-action.js";
import {
  type CpuOptions,
  type CreateOptions,
  checkMachineName,
  cpuOf,
  readCount,
  readCreateOptions,
  readSeconds,
  readSetOptions,
  type SetOptions,
} from "../../control/cli/machine-options.js";
import type { HypervisorAction } from "../../control/hypervisor/actions.js";
import type { MachineRequest, Role } from "../../control/hypervisor/schemas.js";
import { DEFAULT_SERVE_PLACE, readServeOptions, type ServeOptions } from "../../control/serve-options.js";
import { VivariumError } from "../../util/errors.js";
import { collect } from "./collect.js";
import { describeGroup } from "./command-group.js";

type OnAction = (action: Action) => void;

const TOP_INTERVAL_MS = 1000;

/** Adds the daemon, and the commands about its machines, to the program. */
export function describeDaemonCommands(program: Command, onAction: OnAction): void {
  describeServe(program, onAction);
  describeCreate(program, onAction);
  describeLists(program, onAction);
  describeLifecycle(program, onAction);
  describeTalking(program, onAction);
  describePools(program, onAction);
  describeTokens(program, onAction);
}

/** Adds which daemon is meant, and how it is answered, to a command. */
export function withConnection(command: Command): Command {
  return command
    .option("--host <url>", "the daemon's address (default: VIV_HOST, or this user's daemon)")
    .option("--token <token>", "who asks (default: VIV_TOKEN); others on this host can see it here")
    .option("--json", "answer in JSON");
}

function performing(request: HypervisorAction, options: ConnectionOptions): Action {
  return daemonAction({ kind: "perform", request }, options);
}

function describeServe(program: Command, onAction: OnAction): void {
  program
    .command("serve")
    .summary("run many machines, with a REST interface and a console in the browser")
    .description(
      "Runs the daemon until it is ended by a signal, which saves all machines; they go on at the next start.\n" +
        "Prints the address of its console, with a token when there is none yet. docs/hypervisor.md says the rest.",
    )
    .option("--listen <[host:]port>", `where to listen (default: ${DEFAULT_SERVE_PLACE})`)
    .option("--data <directory>", "where all its state is (default: VIV_DATA_DIR, or ~/.local/share/vivarium)")
    .option("--tls-cert <file>", "certificate (PEM); needed beyond this host")
    .option("--tls-key <file>", "its key (PEM)")
    .option("--name <host>", "a name by which browsers may call it, besides its addresses and localhost", collect)
    .option("--share-root <directory>", "let machines share folders below this one", collect)
    .option("--memory <amount>", "for all machines together (default: most of what the host has)")
    .option("--workers <count>", "threads that run machines (default: one a core)")
    .option("--upload-limit <amount>", "the longest machine that is taken or given as a stream (default: 16GiB)")
    .option("--otlp <url>", "send readings to this OpenTelemetry collector, such as http://127.0.0.1:4318/v1/metrics")
    .action((options: ServeOptions) => onAction(readServeOptions(options)));
}

function describeCreate(program: Command, onAction: OnAction): void {
  withCpu(
    withConnection(program.command("create"))
      .summary("make a machine of the daemon")
      .description("Makes a machine and switches it on. What is left out has its default.")
      .argument("<name>", "its name: a to z, 0 to 9 and -")
      .option("--image <name>", "image to start (default: debian-mini)")
      .option("--memory <amount>", "guest memory, such as 256MiB (the default) or 1GiB")
      .option("--harts <count>", "processors (default: 1)"),
  )
    .option("--pool <name>", "pool that it is in (default: root)")
    .option("--net <kind[,option...]>", 'network device, as with "viv run"; none for none (default: user)', collect)
    .option("--share <directory:target[,readonly]>", 'folder of the daemon\'s host, as with "viv run"', collect)
    .option("--append <text>", "more words for the image's kernel")
    .option("--autostart", "switch it on whenever the daemon starts")
    .option("--restart <policy>", "when it ends by itself: never, on-failure (default) or always")
    .option("--save-every <time>", "save it so often while it does something, or never (default: 30s)")
    .option("--isolated", "give it a worker for itself: no other machine's crash reaches it")
    .option("--virtio <interface>", "modern (default), or legacy: version 1, for systems that know no other")
    .option("--description <text>", "free text")
    .option("--no-start", "leave it off")
    .action((name: string, options: CreateOptions & ConnectionOptions) =>
      onAction(
        performing({ action: "machine.create", ...withAbsoluteFolders(readCreateOptions(name, options)) }, options),
      ),
    );
  withCpu(
    withConnection(program.command("set"))
      .summary("change a machine of the daemon, also while it runs")
      .argument("<name>"),
  )
    .option("--pool <name>", "pool that it is in")
    .option("--autostart", "switch it on whenever the daemon starts")
    .option("--no-autostart", "do not")
    .option("--restart <policy>", "when it ends by itself: never, on-failure or always")
    .option("--save-every <time>", "save it so often while it does something, or never")
    .option("--isolated", "give it a worker for itself, also while it runs")
    .option("--no-isolated", "let it share a worker with others")
    .option("--description <text>", "free text")
    .option("--memory-target <amount>", "memory that its balloon leaves it")
    .option("--rate <bits>", "of its first network device, such as 10mbit; again for the next", collect)
    .action((name: string, options: SetOptions & ConnectionOptions) =>
      onAction(performing({ action: "machine.set", ...readSetOptions(name, options) }, options)),
    );
}

/** The daemon is in another directory. */
function withAbsoluteFolders({ folders, ...request }: MachineRequest): MachineRequest {
  if (folders === undefined) return request;
  return { ...request, folders: folders.map((folder) => ({ ...folder, directory: resolve(folder.directory) })) };
}

function withCpu(command: Command): Command {
  return command
    .option("--shares <count>", "weight beside the others in its pool (default: 100)")
    .option("--limit <part>", "processor time it never exceeds, such as 50% of one or 1.5; none for no limit")
    .option("--reservation <part>", "processor time it gets whenever it can use it");
}

function describeLists(program: Command, onAction: OnAction): void {
  const list = (name: string, summary: string, request: HypervisorAction) =>
    withConnection(program.command(name))
      .summary(summary)
      .action((options: ConnectionOptions) => onAction(performing(request, options)));
  list("ps", "list the machines of the daemon", { action: "machine.list" });
  list("host", "say what the daemon's host has, and what of it is given away", { action: "host.get" });
  list("operations", "list what the daemon is doing, and what it did in the last hour", { action: "operation.list" });
  withConnection(program.command("top"))
    .summary("watch the machines of the daemon")
    .description("Shows all machines, live. The key h lists the keys, q leaves.")
    .option("--interval <seconds>", "time between readings (default: 1)")
    .action((options: ConnectionOptions & { interval?: string }) => {
      const intervalMs = options.interval === undefined ? TOP_INTERVAL_MS : readInterval(options.interval);
      onAction(daemonAction({ kind: "top", intervalMs }, options));
    });
  withConnection(program.command("events"))
    .summary("say what happened to the daemon's machines")
    .option("-f, --follow", "go on with what happens")
    .option("--last <count>", "at most so many, the newest (default: 100)")
    .action((options: ConnectionOptions & { follow?: boolean; last?: string }) => {
      const last = options.last === undefined ? 100 : readCount("--last", options.last);
      const command: DaemonCommand = options.follow
        ? { kind: "follow-events", last }
        : { kind: "perform", request: { action: "event.list", last } };
      onAction(daemonAction(command, options));
    });
  withConnection(program.command("audit"))
    .summary("say who did what to the daemon")
    .option("--last <count>", "at most so many, the newest (default: 100)")
    .action((options: ConnectionOptions & { last?: string }) => {
      const last = options.last === undefined ? 100 : readCount("--last", options.last);
      onAction(performing({ action: "audit.list", last }, options));
    });
  withConnection(program.command("api"))
    .summary("make any request to the daemon")
    .description(
      'Makes a request by the name it has in the OpenAPI document: viv api machine.samples \'{"machine":"web"}\'',
    )
    .argument("<action>", "such as machine.list")
    .argument("[input]", "what it takes, as JSON")
    .action((name: string, input: string | undefined, options: ConnectionOptions) =>
      onAction(daemonAction({ kind: "api", name, input: input ?? "{}" }, { ...options, json: true })),
    );
}

function describeLifecycle(program: Command, onAction: OnAction): void {
  const many = (name: string, summary: string, request: (machine: string) => HypervisorAction) =>
    withConnection(program.command(name))
      .summary(summary)
      .argument("<name...>", "machines of the daemon")
      .action((names: readonly string[], options: ConnectionOptions) => {
        for (const machine of names) checkMachineName(machine);
        onAction(daemonAction({ kind: "perform-each", requests: names.map(request) }, options));
      });
  many("start", "switch machines on, or wake them", (machine) => ({ action: "machine.start", machine }));
  withConnection(program.command("shutdown"))
    .summary("ask guests to switch themselves off")
    .argument("<name...>", "machines of the daemon")
    .option("--timeout <time>", "how long they have for it, such as 30s")
    .action((names: readonly string[], options: ConnectionOptions & { timeout?: string }) => {
      const timeout =
        options.timeout === undefined ? {} : { timeoutMs: 1000 * readSeconds("--timeout", options.timeout) };
      const request = (machine: string): HypervisorAction => ({ action: "machine.shutdown", machine, ...timeout });
      for (const machine of names) checkMachineName(machine);
      onAction(daemonAction({ kind: "perform-each", requests: names.map(request) }, options));
    });
  many("stop", "switch machines off at once", (machine) => ({ action: "machine.stop", machine }));
  many("pause", "let machines stand still", (machine) => ({ action: "machine.pause", machine }));
  many("resume", "let them go on", (machine) => ({ action: "machine.resume", machine }));
  many("reset", "switch machines off and on again", (machine) => ({ action: "machine.reset", machine }));
  many("hibernate", "save machines and free their memory", (machine) => ({ action: "machine.hibernate", machine }));
  many("destroy", "end machines and delete all of them", (machine) => ({ action: "machine.destroy", machine }));
}

function describeTalking(program: Command, onAction: OnAction): void {
  withConnection(program.command("attach"))
    .summary("stay at a machine's console")
    .description("Connects this terminal to a machine's console. Ctrl-A X leaves; the machine goes on.")
    .argument("<name>")
    .action((machine: string, options: ConnectionOptions) => {
      checkMachineName(machine);
      onAction(daemonAction({ kind: "attach", machine }, options));
    });
  withConnection(program.command("exec"))
    .summary("run a command in a machine")
    .description(
      "Runs a command in the guest, with this program's input, output and exit status.\n" +
        "One word is a line for the guest's shell; several are a command and its arguments.",
    )
    .argument("<name>")
    .argument("<command...>", "after --, if it has options of its own")
    .option("-t, --tty", "give it a terminal")
    .action((machine: string, words: readonly string[], options: ConnectionOptions & { tty?: boolean }) => {
      checkMachineName(machine);
      onAction(daemonAction({ kind: "exec", machine, words, terminal: options.tty ?? false }, options));
    });
  withConnection(program.command("logs"))
    .summary("print the end of what a machine wrote to its console")
    .argument("<name>")
    .option("-f, --follow", "go on with what it writes")
    .option("--lines <count>", "at most so many lines")
    .action((machine: string, options: ConnectionOptions & { follow?: boolean; lines?: string }) => {
      checkMachineName(machine);
      const lines = options.lines === undefined ? {} : { lines: readCount("--lines", options.lines) };
      const command: DaemonCommand = options.follow
        ? { kind: "follow-logs", machine }
        : { kind: "perform", request: { action: "machine.logs", machine, ...lines } };
      onAction(daemonAction(command, options));
    });
}

function describePools(program: Command, onAction: OnAction): void {
  const pool = describeGroup(program.command("pool").summary("list, make, change and remove pools"));
  withConnection(pool.command("ls"))
    .summary("list the pools")
    .action((options: ConnectionOptions) => onAction(performing({ action: "pool.list" }, options)));
  withCpu(withConnection(pool.command("create")).summary("make a pool").argument("<name>"))
    .option("--parent <name>", "pool that it is in (default: root)")
    .action((name: string, options: ConnectionOptions & CpuOptions & { parent?: string }) => {
      const parent = options.parent === undefined ? {} : { parent: options.parent };
      onAction(performing({ action: "pool.create", name, ...parent, ...cpuOf(options) }, options));
    });
  withCpu(withConnection(pool.command("set")).summary("change a pool").argument("<name>")).action(
    (name: string, options: ConnectionOptions & CpuOptions) => {
      const { cpu } = cpuOf(options);
      if (cpu === undefined) {
        throw new VivariumError("option/invalid", "nothing to change; expected such as --shares 200");
      }
      onAction(performing({ action: "pool.set", pool: name, cpu }, options));
    },
  );
  withConnection(pool.command("rm"))
    .summary("remove a pool that is empty")
    .argument("<name>")
    .action((name: string, options: ConnectionOptions) =>
      onAction(performing({ action: "pool.delete", pool: name }, options)),
    );
}

function describeTokens(program: Command, onAction: OnAction): void {
  const token = describeGroup(program.command("token").summary("list, make and revoke tokens"));
  withConnection(token.command("ls"))
    .summary("list the tokens")
    .action((options: ConnectionOptions) => onAction(performing({ action: "token.list" }, options)));
  withConnection(token.command("create"))
    .summary("make a token, and print its secret")
    .argument("<label>", "whose it is, or what for")
    .option("--role <role>", "viewer, operator or admin (default: viewer)")
    .option("--expires <time>", "when it ends, such as 12h or 7d (default: never)")
    .action((label: string, options: ConnectionOptions & { role?: string; expires?: string }) => {
      const expires =
        options.expires === undefined ? {} : { expiresInSeconds: readSeconds("--expires", options.expires) };
      onAction(performing({ action: "token.create", label, role: readRole(options.role), ...expires }, options));
    });
  withConnection(token.command("revoke"))
    .summary("end a token at once")
    .argument("<id>", "as viv token ls has it")
    .action((id: string, options: ConnectionOptions) =>
      onAction(performing({ action: "token.revoke", token: id }, options)),
    );
}

function readRole(text = "viewer"): Role {
  if (text === "viewer" || text === "operator" || text === "admin") return text;
  throw new VivariumError(
    "option/invalid",
    `--role: ${JSON.stringify(text)} is no role; expected viewer, operator or admin`,
  );
}

function readInterval(text: string): number {
  const seconds = /^\d{1,3}(\.\d{1,2})?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= 0.2 && seconds <= 600) return seconds * 1000;
  throw new VivariumError("option/invalid", `--interval: ${JSON.stringify(text)} is no such time; expected 0.2 to 600`);
}
