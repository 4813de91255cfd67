// Which steps of a workflow are drawn as one: those of the same task that wait for the same and are waited for alike. Pure.

export interface Step {
  id: string;
  task_name: string;
  status: string;
  depends_on: readonly string[];
}

/** What is drawn in one place: a single step, or a fan of them. */
export interface Fold {
  key: string;
  /** Places in the list of steps, in their order. */
  steps: number[];
}

/** From here on a fan is folded. */
export const LEAST = 4;
/** So many that failed are drawn beside their fold; of more, the fold says how many. */
const MOST_OPENED = 5;

/** Return the parents of each step as places in the list; ids that are not there are left out. */
export function parentsOf(steps: readonly Step[]): number[][] {
  const at = new Map(steps.map((step, index) => [step.id, index]));
  return steps.map((step) =>
    step.depends_on.flatMap((id) => {
      const parent = at.get(id);
      return parent === undefined ? [] : [parent];
    }),
  );
}

/** Return whom each step leads to, from whom each waits for. */
export function inverted(parents: readonly (readonly number[])[]): number[][] {
  const children: number[][] = parents.map(() => []);
  for (const [child, those] of parents.entries()) for (const parent of those) children[parent]!.push(child);
  return children;
}

/**
 * Return what is drawn, in the order of the steps. Fans are folded but for those whose key is in `opened`, and a step
 * of a fan that failed stands beside its fold. With `folds` false every step stands alone.
 */
export function foldsOf(
  steps: readonly Step[],
  options: { folds?: boolean; opened?: ReadonlySet<string> } = {},
): Fold[] {
  const alone = (index: number): Fold => ({ key: `step ${steps[index]!.id}`, steps: [index] });
  if (options.folds === false) return steps.map((_, index) => alone(index));
  const parents = parentsOf(steps);
  const fans = new Map<string, number[]>();
  for (const [index, key] of alike(steps, parents, inverted(parents)).entries()) {
    const fan = fans.get(key);
    if (fan) fan.push(index);
    else fans.set(key, [index]);
  }
  const drawn: Fold[] = [];
  for (const fan of fans.values()) {
    const key = `fan ${steps[fan[0]!]!.id}`;
    if (fan.length < LEAST || options.opened?.has(key)) {
      drawn.push(...fan.map(alone));
      continue;
    }
    const failed = fan.filter((index) => steps[index]!.status === "FAILED");
    const opened = new Set(failed.length <= MOST_OPENED ? failed : []);
    const rest = fan.filter((index) => !opened.has(index));
    if (rest.length < LEAST) drawn.push(...fan.map(alone));
    else drawn.push({ key, steps: rest }, ...[...opened].map(alone));
  }
  return drawn.sort((a, b) => a.steps[0]! - b.steps[0]!);
}

/** One text for each step, the same for those of one fan. */
function alike(steps: readonly Step[], parents: number[][], children: number[][]): string[] {
  const names = new Map<string, number>();
  const numberOf = (name: string) => {
    if (!names.has(name)) names.set(name, names.size);
    return names.get(name)!;
  };
  const listed = (those: readonly number[]) => [...those].sort((a, b) => a - b).join(",");
  return steps.map((step, index) =>
    [numberOf(step.task_name), listed(parents[index]!), listed(children[index]!)].join("/"),
  );
}

/** Return the lines between what is drawn, each once, as places in the list of folds: from, to. */
export function linesOf(steps: readonly Step[], folds: readonly Fold[]): [number, number][] {
  const placeOf = new Array<number>(steps.length);
  for (const [place, fold] of folds.entries()) for (const index of fold.steps) placeOf[index] = place;
  const seen = new Set<number>();
  const lines: [number, number][] = [];
  for (const [child, those] of parentsOf(steps).entries())
    for (const parent of those) {
      const [from, to] = [placeOf[parent]!, placeOf[child]!];
      const key = from * folds.length + to;
      if (from === to || seen.has(key)) continue;
      seen.add(key);
      lines.push([from, to]);
    }
  return lines;
}

/** How many of these steps have each status, the most urgent first. */
export function tally(statuses: readonly string[]): [string, number][] {
  const found = new Map<string, number>();
  for (const status of statuses) found.set(status, (found.get(status) ?? 0) + 1);
  return [...found].sort((a, b) => urgency(a[0]) - urgency(b[0]));
}

const URGENCY = ["FAILED", "RUNNING", "PENDING", "CANCELLED", "WAITING", "SKIPPED", "COMPLETED"];

function urgency(status: string): number {
  const at = URGENCY.indexOf(status);
  return at < 0 ? URGENCY.length : at;
}
