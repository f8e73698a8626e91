import type { ActionInput, ActionOutput, ServiceActionName } from "../control/hypervisor/actions.js";
import type { ActionContext } from "../control/hypervisor/service.js";
import { stageText } from "../control/image-progress.js";
import type { ImageProgress } from "../images/image.js";
import { fromUtf8 } from "../util/bytes.js";
import type { HypervisorBase } from "./hypervisor-base.js";

/** Events that are answered unless a number is given. */
const EVENTS_DEFAULT = 100;
const LOG_LINES_DEFAULT = 200;

type Handlers = {
  [A in ServiceActionName]: (input: ActionInput<A>) => Promise<ActionOutput<A>>;
};

/** Does an action of the table. A table itself: an action without a row does not compile. */
export function perform<A extends ServiceActionName>(
  hypervisor: HypervisorBase,
  action: A,
  input: ActionInput<A>,
  context: ActionContext,
): Promise<ActionOutput<A>> {
  return handlersOf(hypervisor, context)[action](input);
}

function handlersOf(hypervisor: HypervisorBase, context: ActionContext): Handlers {
  const { managed, pools } = hypervisor;
  const machine = (name: string) => managed.get(name);
  const onImage = (progress: ImageProgress): void => {
    context.onProgress?.(progressPart(progress), stageText(progress.stage));
  };
  /** Does something with a machine, and answers with how it is then. */
  const then =
    (work: (name: string) => Promise<unknown>) =>
    async ({ machine: name }: { readonly machine: string }) => {
      const found = machine(name);
      await work(name);
      return found.view();
    };
  return {
    "host.get": async () => hypervisor.host,

    "machine.list": async () => managed.all.map((each) => each.view()),
    "machine.get": async ({ machine: name }) => machine(name).view(),
    "machine.create": async (request) => (await managed.create(request, onImage)).view(),
    "machine.set": async ({ machine: name, ...change }) => (await managed.set(name, change)).view(),
    "machine.destroy": async ({ machine: name }) => {
      await managed.destroy(name);
      return null;
    },
    "machine.start": then((name) => machine(name).start(onImage)),
    "machine.shutdown": async ({ machine: name, timeoutMs }) => {
      await machine(name).shutdown(timeoutMs);
      return machine(name).view();
    },
    "machine.stop": then((name) => machine(name).stop()),
    "machine.pause": then((name) => machine(name).pause()),
    "machine.resume": then((name) => machine(name).resume()),
    "machine.reset": then((name) => machine(name).reset()),
    "machine.hibernate": then((name) => machine(name).hibernate()),
    "machine.exec": async ({ machine: name, command, input, timeoutMs }) => {
      const options = { ...(input === undefined ? {} : { input }), ...(timeoutMs === undefined ? {} : { timeoutMs }) };
      const { exitCode, signal, stdout, stderr } = await machine(name).handle.exec(command, options);
      return { exitCode, signal, stdout, stderr };
    },
    "machine.logs": async ({ machine: name, lines = LOG_LINES_DEFAULT }) => ({
      text: fromUtf8(machine(name).console.lastLines(lines)),
    }),
    "machine.samples": async ({ machine: name, since = 0 }) =>
      machine(name).meter.samples.filter(({ time }) => time > since),
    "machine.fork": async ({ machine: name, names, snapshot, count = names?.length ?? 1 }) =>
      (await managed.fork(name, count, names, snapshot)).map((fork) => fork.view()),

    "snapshot.list": async ({ machine: name }) => [...(await machine(name).snapshots())],
    "snapshot.create": async ({ machine: name, snapshot }) => machine(name).handle.snapshots.create(snapshot),
    "snapshot.restore": async ({ machine: name, snapshot }) => {
      await machine(name).restore(snapshot);
      return machine(name).view();
    },
    "snapshot.delete": async ({ machine: name, snapshot }) => {
      await machine(name).deleteSnapshot(snapshot);
      return null;
    },

    "pool.list": async () => pools.all.map(({ name }) => hypervisor.pool(name)),
    "pool.create": async (request) => hypervisor.putPool(pools.planned(request), "was created"),
    "pool.set": async ({ pool, cpu = {} }) => hypervisor.putPool(pools.changed(pool, cpu), "was changed"),
    "pool.delete": async ({ pool }) => {
      hypervisor.deletePool(pool);
      return null;
    },

    "image.list": async () => [...(await hypervisor.platform.images())],
    "image.build": async ({ image }) => hypervisor.buildImage(image, onImage),

    "event.list": async ({ after = 0, last = EVENTS_DEFAULT }) => [...hypervisor.events(after, last)],
  };
}

function progressPart({ doneBytes, totalBytes }: ImageProgress): number | null {
  return totalBytes === null || totalBytes === 0 ? null : Math.min(1, doneBytes / totalBytes);
}
