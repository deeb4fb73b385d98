/** One measured figure. A positive limit is the most it may be, a negative one the least, zero is told only. */
export type Row = {
  name: string;
  target: string;
  limit: number;
  value: number;
  low: number;
  high: number;
  note: string;
};

export function isMet({ limit, value }: Row): boolean {
  return limit === 0 || (limit > 0 ? value <= limit : value >= -limit);
}

export function describeRow(row: Row): string {
  const { name, target, limit, value, low, high, note } = row;
  const bound = limit === 0 ? '' : limit > 0 ? `<= ${limit}` : `>= ${-limit}`;
  const figure = `${value.toFixed(2)} [${low.toFixed(2)} to ${high.toFixed(2)}]`;
  const met = isMet(row) ? 'met   ' : 'MISSED';
  return `${met} ${`target ${target}`.padEnd(19)} ${name.padEnd(46)} ${figure.padEnd(28)} ${bound.padEnd(8)} ${note}`;
}
