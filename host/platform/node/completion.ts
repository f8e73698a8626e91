import type { Argument, Command, Option } from "commander";
import {
  type CommandTable,
  completionScript,
  type Place,
  placeAtEnd,
  SHELLS,
  type Word,
} from "../../control/cli/completion.js";
import { isMachineName } from "../../control/cli/daemon-action.js";
import { VivariumError } from "../../util/errors.js";

/** How long a daemon or a file has to say what it has: somebody waits at a shell's prompt. */
const ANSWER_MS = 1000;
/** What a shell takes as it stands. Names come out of files, too. */
const PLAIN = /^[\p{L}\p{N}_.,:@%+=/-]+$/u;

/** A request to complete a command line, as far as it is written. */
export interface CompletionRequest {
  readonly place: Place;
  /** What the word begins with. */
  readonly prefix: string;
}

/** Adds the commands by which shells complete. */
export function describeCompletion(
  program: Command,
  onScript: (text: string) => void,
  onRequest: (request: CompletionRequest) => void,
): void {
  program
    .command("completion")
    .summary("print what lets a shell complete this program's words")
    .description(
      "Prints a script that lets a shell complete commands, options, images, machines and snapshots. In its start file:\n" +
        "  bash  source <(viv completion bash)\n" +
        "  zsh   source <(viv completion zsh)\n" +
        "  fish  viv completion fish | source",
    )
    .argument("<shell>", SHELLS.join(", "))
    .action((text: string) => {
      const shell = SHELLS.find((each) => each === text);
      if (shell !== undefined) return onScript(completionScript(shell));
      const message = `completion: ${JSON.stringify(text)} is no shell that is known; expected ${SHELLS.join(", ")}`;
      throw new VivariumError("option/invalid", message);
    });
  program
    .command("complete", { hidden: true })
    .argument("[words...]")
    .action((words: readonly string[]) =>
      onRequest({ place: placeAtEnd(tableOf(program), words), prefix: words.at(-1) ?? "" }),
    );
}

/** What commander knows of the program. */
export function tableOf(command: Command): CommandTable {
  const help = command.createHelp();
  return {
    name: command.name(),
    summary: command.summary() || command.description(),
    options: help.visibleOptions(command).map(optionOf),
    arguments: command.registeredArguments.map((argument: Argument) => ({
      name: argument.name(),
      isVariadic: argument.variadic,
    })),
    commands: help.visibleCommands(command).map(tableOf),
  };
}

function optionOf({ short, long, flags, variadic, required, description }: Option): CommandTable["options"][number] {
  return {
    names: [short, long].filter((name) => name !== undefined && name !== null),
    // A value that can be left out is not waited for.
    value: required ? (/<(.*)>/.exec(flags)?.[1] ?? "") : null,
    isVariadic: variadic,
    description,
  };
}

/** The lines that answer a shell. Whatever cannot be known is left out: nobody is there to read why. */
export async function answerCompletion({ place, prefix }: CompletionRequest): Promise<string> {
  const late = new Promise<readonly Word[]>((resolve) => setTimeout(resolve, ANSWER_MS, []));
  const words = await Promise.race([wordsAt(place).catch(() => []), late]);
  const isFitting = ({ word }: Word) => word.startsWith(prefix) && PLAIN.test(word);
  const lines = words.filter(isFitting).map(({ word, description }) => `${word}\t${description.split("\n", 1)[0]}`);
  return `${[kindOf(place), ...lines].join("\n")}\n`;
}

function kindOf({ kind }: Place): "files" | "directories" | "words" {
  if (kind === "machines-or-files") return "files";
  return kind === "files" || kind === "directories" ? kind : "words";
}

async function wordsAt(place: Place): Promise<readonly Word[]> {
  switch (place.kind) {
    case "words":
      return place.words;
    case "nothing":
    case "files":
    case "directories":
      return [];
    case "images":
    case "built-images":
      return imageNames(place.kind === "built-images");
    case "machines":
    case "machines-or-files":
      return machineNames();
    case "pools":
      return poolNames();
    case "snapshots":
      return isMachineName(place.machine) ? snapshotsOfMachine(place.machine) : snapshotsInFile(place.machine);
  }
}

async function imageNames(isBuilt: boolean): Promise<Word[]> {
  const { imageStore } = await import("./images/open-image.js");
  const images = (await imageStore().list()).filter(({ state }) => !isBuilt || state !== "not built");
  return images.map(({ name, state }) => ({ word: name, description: state }));
}

async function machineNames(): Promise<Word[]> {
  const machines = await (await daemon()).perform({ action: "machine.list" });
  return machines.map(({ spec, status }) => ({ word: spec.name, description: status }));
}

async function poolNames(): Promise<Word[]> {
  const pools = await (await daemon()).perform({ action: "pool.list" });
  return pools.map(({ spec }) => ({ word: spec.name, description: "" }));
}

async function snapshotsOfMachine(machine: string): Promise<Word[]> {
  const snapshots = await (await daemon()).perform({ action: "snapshot.list", machine });
  return snapshots.map(({ name, createdAt }) => ({ word: name, description: isoTime(createdAt) }));
}

async function snapshotsInFile(file: string): Promise<Word[]> {
  const { inspectMachineFile } = await import("./machine-file/open-machine-file.js");
  const opened = await inspectMachineFile(file);
  try {
    return opened.file.snapshots.flatMap(({ name, takenMs }) =>
      name === null ? [] : [{ word: name, description: isoTime(takenMs) }],
    );
  } finally {
    await opened.close();
  }
}

async function daemon() {
  const { DaemonClient } = await import("./daemon/client.js");
  return DaemonClient.find({});
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19);
}
