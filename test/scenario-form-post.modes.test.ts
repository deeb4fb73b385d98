import { scenario } from './scenario.ts';

scenario({ name: 'form_post', web: { RESPONSE_MODE: 'form_post' } });
