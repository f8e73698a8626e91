/**
 * Work that waits only where it must: a function written once, as a generator, ends at once when nothing it needs has
 * to be waited for, and as a promise otherwise.
 *
 * An `async` function would give control away at each step. A device answers its driver within the access that asked,
 * if it can: then the driver need not sleep at all.
 */

/** A value that is there, or will be. */
export type Eventual<T> = T | Promise<T>;

/** Work in steps: what it yields is waited for. */
export type Task<T> = Generator<Promise<unknown>, T, unknown>;

/** Within a task: `yield* wait(x)` is what `await x` is in an async function. */
export function* wait<T>(value: Eventual<T>): Task<T> {
  return value instanceof Promise ? ((yield value) as T) : value;
}

/** Runs a task as far as it goes without waiting. What it throws meanwhile is thrown here. */
export function runTask<T>(task: Task<T>): Eventual<T> {
  const step = task.next();
  return step.done === true ? step.value : finish(task, step.value);
}

async function finish<T>(task: Task<T>, first: Promise<unknown>): Promise<T> {
  for (let waiting = first; ; ) {
    const result = await waiting.then(
      (value) => () => task.next(value),
      (error: unknown) => () => task.throw(error),
    );
    const step = result();
    if (step.done === true) return step.value;
    waiting = step.value;
  }
}
