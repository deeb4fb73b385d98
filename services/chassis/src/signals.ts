import { createMeasures } from '@onbehalf/node/core/telemetry/measures';
import registry from './signals.json' with { type: 'json' };

/** What every service measures. */
export const { measure, watch } = createMeasures(registry);
