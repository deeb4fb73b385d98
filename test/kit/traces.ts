import type { Viewer } from '@onbehalf/trace-viewer/viewer';

/** Whether the spans of every service have arrived, at least `least`, each with its parent. */
export function isWhole(
  viewer: Viewer,
  { traceId, spans: count }: { traceId: string; spans: number },
  least = 20,
): boolean {
  const spans = viewer.spans(traceId);
  const ids = new Set(spans.map(({ spanId }) => spanId));
  return count >= least && spans.every(({ parentId }) => parentId === undefined || ids.has(parentId));
}
