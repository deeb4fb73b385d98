import { createMeasures } from '@onbehalf/chassis/telemetry/measures';
import registry from './signals.json' with { type: 'json' };

export const { measure } = createMeasures(registry);
