import type { Command } from "commander";
import { VivariumError } from "../../util/errors.js";

/** Makes a command of one that only has others: alone it prints its help. @throws VivariumError `usage/invalid` */
export function describeGroup(group: Command): Command {
  return group
    .helpCommand(false)
    .allowExcessArguments()
    .action((_, { args }: Command) => {
      if (args.length === 0) group.help();
      const words = group.commands.map((command) => command.name()).join(", ");
      const problem = `${group.name()}: ${JSON.stringify(args[0])} is no command; expected ${words}`;
      throw new VivariumError("usage/invalid", problem);
    });
}
