import { scenario } from '../kit/browser/scenario/scenario.ts';

scenario({ name: 'form_post', web: { RESPONSE_MODE: 'form_post' } });
