import { type Html, html } from '@onbehalf/chassis/http/html';
import { formatMs } from '@onbehalf/trace-viewer/draw/svg';
import { latencyWidthFor, toColumns, widthFor } from '../drawing/columns.ts';
import { formatCount, formatDuration, formatMaybeMs } from '../drawing/format.ts';
import { drawOverTime } from '../drawing/over-time.ts';
import { drawPercentileCurve } from '../drawing/percentile-curve.ts';
import { decode, percentilesOf } from '../results/histogram.ts';
import type { Result, ScenarioRun } from '../results/result.ts';
import { median } from '../results/statistics.ts';
import { drawCost } from './cost.ts';
import { toDraw } from './repeats.ts';
import { badge } from './summary.ts';

/** A sentence that anybody understands, whether it is so here, and what shows it. */
type Claim = {
  title: string;
  sentence: string;
  holds: boolean;
  /** What one sees in the drawing. */
  reading?: string;
  draw?: (id: string) => Html | undefined;
};

const columns = 120;
const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);

/** What the runs of a result show, as far as they were made. Counts of an invalid run are true, its times are none. */
export function findClaims({ runs, bench }: Result): Claim[] {
  const named = (name: string) => runs.filter((run) => run.name === name);
  return [
    oneCall(named('stampede').filter(({ variant }) => variant !== 'one authorization code')),
    ownTokens(runs),
    outage(named('redis-down')),
    throttling(named('throttle')),
    replacing(named('rolling')),
    quickness(named('l1').filter(({ validity }) => validity.valid)),
    cost(bench),
  ].filter((claim) => claim !== undefined);
}

/** The claims as a list; each with a drawing leads to it. */
export function claimsList(claims: Claim[]): Html {
  return html`<ul class="claims">${claims.map(
    ({ holds, sentence, draw }, n) =>
      html`<li>${badge(holds ? 'pass' : 'fail')} ${draw ? html`<a href="#claim-${n + 1}">${sentence}</a>` : sentence}</li>`,
  )}</ul>`;
}

/** A drawing for each claim that has one, and the sentence that says what is to be seen there. */
export function drawClaims(claims: Claim[]): Html[] {
  return claims.flatMap(({ title, reading, draw }, n) => {
    const drawn = draw?.(`claim-${n + 1}-plot`);
    if (!drawn) return [];
    return html`<section id="claim-${n + 1}" class="claim"><h3>${title}</h3><p class="note">${reading}</p><figure class="wide" role="group" tabindex="0" aria-label="${title}">${drawn}</figure></section>`;
  });
}

function oneCall(bursts: ScenarioRun[]): Claim | undefined {
  const [worst] = toDraw(bursts);
  if (!worst) return undefined;
  const single = bursts.filter(({ totals }) => totals.calls === 1).length;
  return {
    title: 'A thousand callers at once, one call',
    sentence: `1 Entra call in ${single === bursts.length ? 'each' : `${single}`} of ${bursts.length} bursts of ${formatCount(worst.totals.requests)} requests`,
    holds: single === bursts.length,
    reading: `${worst.variant}: all wait for the one call, so nobody waits much longer than the first.`,
    draw: (id) => drawPercentileCurve(id, worst, undefined),
  };
}

function ownTokens(runs: ScenarioRun[]): Claim | undefined {
  const opened = sum(runs.map(({ totals }) => totals.opened));
  const foreign = sum(runs.map(({ totals }) => totals.foreign));
  if (opened === 0) return undefined;
  const sentence = `${formatCount(foreign)} wrong tokens among ${formatCount(opened)} that were opened`;
  return { title: 'Everybody gets their own token', sentence, holds: foreign === 0 };
}

function outage(outages: ScenarioRun[]): Claim | undefined {
  const [worst] = toDraw(outages);
  if (!worst) return undefined;
  const signedOut = sum(
    outages.flatMap(({ errors }) => errors).map(({ type, count }) => (/invalid_grant/.test(type) ? count : 0)),
  );
  const away = sum(worst.events.map(({ atSeconds, untilSeconds = atSeconds }) => untilSeconds - atSeconds));
  return {
    title: 'Redis goes away, people stay signed in',
    sentence: `${signedOut === 0 ? 'Nobody was' : `${formatCount(signedOut)} requests were`} signed out while Redis was away for ${formatDuration(Math.round(away))}`,
    holds: signedOut === 0,
    reading:
      'In the shaded bands Redis is away: those with a token are served from memory, the others get 503 at once.',
    draw: (id) => overTime(id, worst),
  };
}

function throttling(runs: ScenarioRun[]): Claim | undefined {
  const [worst] = toDraw(runs);
  const refused = worst?.checks.find(({ name }) => name === 'people with tokens who were refused');
  if (!worst || !refused) return undefined;
  return {
    title: 'Entra throttles, people with a token do not notice',
    sentence: `${refused.measured} requests of people with a token were refused while Entra refused every call`,
    holds: refused.holds,
    reading: 'In the shaded band Entra answers 429: calls fall to what finds out whether it has ended.',
    draw: (id) => overTime(id, worst),
  };
}

function replacing(runs: ScenarioRun[]): Claim | undefined {
  if (runs.length === 0) return undefined;
  const failed = sum(runs.map(({ totals }) => totals.errors));
  const requests = sum(runs.map(({ totals }) => totals.requests));
  const sentence = `${formatCount(failed)} of ${formatCount(requests)} requests failed while every broker was replaced`;
  return { title: 'An update loses nothing', sentence, holds: failed === 0 };
}

function quickness(runs: ScenarioRun[]): Claim | undefined {
  const [worst] = toDraw(runs);
  if (!worst) return undefined;
  const { p50Ms, p99Ms } = percentilesOf(decode(worst.histograms.response));
  const { sloMs = Number.POSITIVE_INFINITY, load } = worst;
  return {
    title: 'How long a cached token takes',
    sentence: `A cached token takes ${formatMaybeMs(p50Ms)} (p50) and ${formatMaybeMs(p99Ms)} (p99) at ${formatCount(load.ratePerSecond)} requests a second`,
    holds: p99Ms !== null && p99Ms <= sloMs,
    reading: `The line is to stay below ${formatMs(sloMs)} at 99 %. Where response and service time part, requests queued.`,
    draw: (id) => drawPercentileCurve(id, worst, undefined),
  };
}

function cost(bench: Result['bench']): Claim | undefined {
  const usOf = (name: string) => {
    const slices = bench?.slices[name];
    return slices && median(slices.map(({ cpuUsPerRequest }) => cpuUsPerRequest));
  };
  const [hit, express, stock] = [usOf('broker L1'), usOf('hello-express'), usOf('stock')];
  if (!bench || !hit || !express || !stock) return undefined;
  return {
    title: 'What a request costs',
    sentence: `A cached token costs ${formatCount(hit)} µs of CPU: ${formatCount(hit / express)} times a bare Express response, 1/${formatCount(Math.round(stock / hit))} of stock MSAL Node`,
    holds: bench.rows.every(({ limit, value }) => limit === 0 || (limit > 0 ? value <= limit : value >= -limit)),
    reading: 'CPU time of one request, all in one run. The whisker is the middle half of the slices.',
    draw: (id) => drawCost(id, bench),
  };
}

function overTime(id: string, run: ScenarioRun): Html {
  const [wide, latencies] = [widthFor(run, columns), latencyWidthFor(run, columns)];
  return drawOverTime(id, run, toColumns(run, wide), toColumns(run, latencies), false);
}
