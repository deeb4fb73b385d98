import { createMeasures } from '@onbehalf/node/core/telemetry/measures';
import registry from './signals.json' with { type: 'json' };

export const { measure, watch } = createMeasures(registry);
