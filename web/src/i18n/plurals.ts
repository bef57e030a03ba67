export type Tree = { [key: string]: string | Tree };

/** French has a plural of its own from a million on (`1 000 000 d'examens`): the common one serves. */
export function withMany(tree: Tree): Tree {
  const complete: Tree = {};
  for (const [key, value] of Object.entries(tree)) {
    complete[key] = typeof value === "string" ? value : withMany(value);
    if (key.endsWith("_other") && typeof value === "string") complete[key.replace(/_other$/, "_many")] = value;
  }
  return complete;
}

/** French high signs and quotation marks keep to their word: the space beside them does not break. */
export function unbroken(tree: Tree): Tree {
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [
      key,
      typeof value === "string" ? value.replace(/ ([?!:;»])/g, "\u00a0$1").replace(/« /g, "«\u00a0") : unbroken(value),
    ]),
  );
}
