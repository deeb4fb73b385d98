import { Html, html } from '@onbehalf/chassis/http/html';
import { drawSequence } from '@onbehalf/trace-viewer/draw/sequence';
import { formatMs } from '@onbehalf/trace-viewer/draw/svg';
import { formatClock } from '../drawing/format.ts';
import type { ScenarioRun } from '../results/result.ts';

type Spans = Parameters<typeof drawSequence>[0];

/** A request that was retried for a minute would fill the page. */
const mostSpans = 60;

/** The slowest traced requests as the trace viewer draws them; the first one open. */
export function drawSlowest({ slowest }: ScenarioRun, atMost: number): Html[] {
  return slowest.slice(0, atMost).map(({ traceId, latencyMs, atSeconds, spans }, place) => {
    const shown = spans.slice(0, mostSpans).map(({ parentId, message, ...span }) => ({
      ...span,
      ...(parentId !== undefined && { parentId }),
      ...(message !== undefined && { message }),
    })) as Spans;
    // The drawing escapes what it draws. Its rows are chosen in the viewer; here they only say what they are.
    const drawing = new Html(
      drawSequence(shown, { width: 900, detail: true })
        .replaceAll(' role="option"', '')
        .replaceAll(/ id="[^"]*"| data-span="[^"]*"/g, ''),
    );
    const name = `Trace ${traceId}`;
    return html`<details${place === 0 && new Html(' open')}><summary>${formatMs(latencyMs)} at ${formatClock(atSeconds)} <code>${traceId}</code></summary>
<div class="wide trace" role="group" tabindex="0" aria-label="${name}">${drawing}</div>${spans.length > mostSpans && html`<p class="note">The first ${mostSpans} of ${spans.length} spans.</p>`}</details>`;
  });
}
