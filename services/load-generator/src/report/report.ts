import { readFileSync } from 'node:fs';
import { Html, html } from '@onbehalf/chassis/http/html';
import { compactStyle } from '@onbehalf/trace-viewer/compact';
import { drawBrokers } from '../drawing/brokers.ts';
import { type Column, latencyWidthFor, toColumns, widthFor } from '../drawing/columns.ts';
import { formatCount, formatDuration, nameOf } from '../drawing/format.ts';
import { drawOverTime } from '../drawing/over-time.ts';
import { drawPercentileCurve } from '../drawing/percentile-curve.ts';
import type { Result, ScenarioRun } from '../results/result.ts';
import { claimsList, drawClaims, findClaims } from './claims.ts';
import { tellContext } from './context.ts';
import { targetsTable } from './cost.ts';
import { anchorOf, toDraw } from './repeats.ts';
import { spreadTable } from './spread.ts';
import { badge, checksTable, failures, summaryTable, tellValidity } from './summary.ts';
import { columnsTable, errorsTable, levelsTable, redisTable, totalsTable } from './tables.ts';
import { drawSlowest } from './traces.ts';

/** A page that is mailed and opened anywhere must stay small. */
const mostBytes = 1_000_000;

/** How finely it is drawn: the first that stays small enough. */
const details = [
  { columns: 240, traces: 5, hovers: true },
  { columns: 120, traces: 5, hovers: true },
  { columns: 90, traces: 2, hovers: true },
  { columns: 60, traces: 1, hovers: false },
  { columns: 24, traces: 0, hovers: false },
];

type Detail = (typeof details)[number];

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
// The viewer's drawings keep their style to themselves.
const drawing = `.trace {${read(import.meta.resolve('@onbehalf/trace-viewer/draw/drawing.css'))}}`;
const style = compactStyle(drawing + read('./report.css'));

/**
 * A load test as one HTML page that needs nothing else: no script, no font, no picture from elsewhere. At most 1 MB;
 * long or many runs are drawn in wider columns. `baseline` is drawn beside runs of the same scenario and variant.
 */
export function renderReport(result: Result, baseline?: Result): string {
  const drawn = toDraw(result.runs);
  let page = '';
  for (const detail of details.filter((one) => one === details.at(-1) || leastBytes(drawn, one) <= mostBytes)) {
    page = render(result, baseline, detail);
    if (Buffer.byteLength(page) <= mostBytes) break;
  }
  return page;
}

/** What the drawings of these runs take, and rather less: spares drawing what will be too much. */
function leastBytes(runs: ScenarioRun[], { columns }: Detail): number {
  return runs.reduce((bytes, run) => bytes + 12_000 + 250 * Math.min(columns, run.seconds.length), 0);
}

function render(result: Result, baseline: Result | undefined, detail: Detail): string {
  const { context, verdict, runs, bench } = result;
  const drawn = toDraw(runs);
  const claims = findClaims(result);
  const spread = spreadTable(result);
  const title = `Load test of ${context.startedAt.slice(0, 16).replace('T', ' ')}`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>${title}</title><style>${new Html(style)}</style></head>
<body><header><h1>${title} ${badge(verdict)}</h1>
<p class="lead">${tellRuns(runs)} Commit <code>${context.commit}</code>${context.modified && ', modified'}, ${context.cpu}, ${context.cores} cores.</p></header>
<main><section id="claims"><h2>What it shows</h2>${claimsList(claims)}${failures(result)}
<nav aria-label="Contents"><ol>${contents(claims.some(({ draw }) => draw)).map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}</ol></nav></section>
${claims.some(({ draw }) => draw) && html`<section id="plots"><h2>Claim by claim</h2>${drawClaims(claims)}</section>`}
<section id="runs"><h2>Every run</h2>${summaryTable({ ...result, runs: drawn }, runs)}${spread && html`<details><summary>How far the repeats lie apart</summary>${spread}</details>`}
${bench && html`<details><summary>Every ratio of the bench</summary>${targetsTable(bench)}</details>`}
<div class="runs">${drawn.map((run) => renderRun(run, anchorOf(run, runs), counterpart(run, baseline), { ...detail, quick: context.quick }))}</div></section>
<section id="context"><h2>Context</h2>${tellContext(result)}</section></main></body></html>
`.toString();
}

function renderRun(
  run: ScenarioRun,
  id: string,
  baseline: ScenarioRun | undefined,
  detail: Detail & { quick: boolean },
): Html {
  const { load, validity, brokers } = run;
  const { quick } = detail;
  const columns = toColumns(run, widthFor(run, detail.columns));
  const latencies = toColumns(run, latencyWidthFor(run, detail.columns));
  const slowest = drawSlowest(run, detail.traces);
  const multiples = drawBrokers(`${id}-b`, run, detail.columns);
  return html`<details class="run"><summary><h2>${nameOf(run)} ${badge(run.verdict)}</h2></summary><div id="${id}">
<p class="lead">${formatCount(load.ratePerSecond)} requests a second for ${formatDuration(run.durationSeconds)}, ${formatCount(load.users)} users, ${tellBrokers(load.brokers)}.${load.scaled && ` Less than specified: ${load.scaled}.`}</p>
${tellValidity(validity)}${checksTable(run, quick)}
<figure class="wide" role="group" tabindex="0" aria-label="Over time">${drawOverTime(`${id}-o`, run, columns, latencies, detail.hovers)}</figure>${tellWidths(columns, latencies)}
<details><summary>The same as a table</summary>${columnsTable(columns)}</details>
<figure class="wide" role="group" tabindex="0" aria-label="Latency by percentile">${drawPercentileCurve(`${id}-p`, run, baseline)}</figure>
${multiples.length > 0 && html`<h3>${brokers.length === 1 ? 'The broker' : 'Each broker'}</h3><div class="multiples">${multiples}</div>`}
<div class="tables">${levelsTable(run)}${totalsTable(run)}${errorsTable(run)}${redisTable(run)}</div>
${slowest.length > 0 && html`<h3>The slowest that were traced</h3>${slowest}`}</div></details>`;
}

/** The sections of the page; the runs are folded, and one opens where a link leads into it. */
function contents(drawn: boolean): [id: string, title: string][] {
  const plots: [string, string][] = drawn ? [['plots', 'Claim by claim']] : [];
  return [['claims', 'What it shows'], ...plots, ['runs', 'Every run'], ['context', 'Context']];
}

function tellBrokers(brokers: number): string {
  if (brokers === 0) return 'an unknown number of brokers';
  return `${formatCount(brokers)} ${brokers === 1 ? 'broker' : 'brokers'}`;
}

function tellRuns(runs: ScenarioRun[]): string {
  const counts = (['pass', 'fail', 'invalid'] as const)
    .map((verdict) => ({ verdict, count: runs.filter((run) => run.verdict === verdict).length }))
    .filter(({ count }) => count > 0)
    .map(({ verdict, count }) => `${count} ${verdict}`);
  return `${runs.length} ${runs.length === 1 ? 'run' : 'runs'}: ${counts.join(', ')}.`;
}

/** What a point of the drawing stands for, where that is not one second. */
function tellWidths(columns: Column[], latencies: Column[]): Html | undefined {
  const width = ([first]: Column[]) => (first ? first.untilSeconds - first.atSeconds : 1);
  const told = [
    width(columns) > 1 && `A column is ${width(columns)} seconds.`,
    width(latencies) > 1 && `A point of a percentile is ${width(latencies)} seconds: ten requests must lie beyond it.`,
  ].filter(Boolean);
  return told.length === 0 ? undefined : html`<p class="note">${told.join(' ')}</p>`;
}

function counterpart(run: ScenarioRun, baseline: Result | undefined): ScenarioRun | undefined {
  return baseline?.runs.find(({ name, variant }) => name === run.name && variant === run.variant);
}
