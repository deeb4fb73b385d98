import { createMeasures } from '@onbehalf/chassis/measures';
import registry from './signals.json' with { type: 'json' };

export const { measure } = createMeasures(registry);
