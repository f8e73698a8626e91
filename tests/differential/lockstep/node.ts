/** A piece of a program that can be left out as a whole when a failing one is made smaller. */
export interface Node {
  readonly head: string;
  readonly children: readonly Node[];
  readonly tail: string;
  /** Others refer to what is in head or tail: only children can be left out. */
  readonly isFixed: boolean;
}

export function leaf(text: string): Node {
  return { head: text, children: [], tail: "", isFixed: false };
}

export function around(head: string, children: readonly Node[], tail: string): Node {
  return { head, children, tail, isFixed: false };
}

export function fixed(head: string, children: readonly Node[], tail: string): Node {
  return { head, children, tail, isFixed: true };
}

/** The assembly listing of a node. */
export function textOf(node: Node): string {
  return [node.head, ...node.children.map(textOf), node.tail].filter((text) => text !== "").join("\n");
}

/** Each tree that is this one without one of its parts that can be left out, larger parts first. */
export function* smaller(node: Node): Generator<Node> {
  const { children } = node;
  for (let length = children.length; length >= 1; length = length === 1 ? 0 : length >> 1) {
    for (let from = 0; from < children.length; from += length) {
      const dropped = children.slice(from, from + length);
      const kept = [...children.slice(0, from), ...children.slice(from + length)];
      if (dropped.every((child) => !child.isFixed)) yield { ...node, children: kept };
    }
  }
  for (const [n, child] of children.entries()) {
    const others = (replacement: readonly Node[]) => [
      ...children.slice(0, n),
      ...replacement,
      ...children.slice(n + 1),
    ];
    // What was around parts goes, they stay: a loop's body without the loop.
    if (!child.isFixed && child.children.length > 0) yield { ...node, children: others(child.children) };
    for (const variant of smaller(child)) yield { ...node, children: others([variant]) };
  }
}
