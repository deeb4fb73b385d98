/**
 * The order in which kinds take turns: each as often as its weight, as evenly as can be (smooth weighted round robin,
 * as nginx has it).
 */
export function mix(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const credit = weights.map(() => 0);
  return Array.from({ length: total }, () => {
    for (const [i, weight] of weights.entries()) credit[i] = (credit[i] ?? 0) + weight;
    const next = credit.indexOf(Math.max(...credit));
    credit[next] = (credit[next] ?? 0) - total;
    return next;
  });
}

/** For each place of the mix, which turn of its kind it is within one round. */
export function turns(order: readonly number[]): number[] {
  const taken = new Map<number, number>();
  return order.map((kind) => {
    const turn = taken.get(kind) ?? 0;
    taken.set(kind, turn + 1);
    return turn;
  });
}

/** Which of the targets a turn goes to: with each round through the people everybody comes to the next one. */
export function placeOf(turn: number, people: number, targets: number): number {
  return ((turn % people) + Math.floor(turn / people)) % targets;
}
