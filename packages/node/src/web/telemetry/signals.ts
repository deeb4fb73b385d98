import { createMeasures, type Registry } from '../../core/telemetry/measures.ts';

/** What signing in and out tells of itself. */
export const signals = {
  attributes: {
    'onbehalf.flow.kind': {
      on: 'all',
      brief: 'why the person is sent to Entra ID',
      values: ['sign_in', 'consent', 'step_up'],
    },
    'onbehalf.flow.outcome': {
      on: 'all',
      brief:
        'how they came back: expired = no such attempt any more, invalid = a response that did not pass the checks',
      values: ['success', 'denied', 'expired', 'invalid', 'failed'],
    },
    'onbehalf.flow.part': {
      on: 'metrics',
      brief: 'ours = the callback; idp_wait = the person at Entra ID',
      values: ['ours', 'idp_wait'],
    },
    'onbehalf.sign_out.kind': {
      on: 'metrics',
      brief: "what was to end: this session, all of the person's, those of a session at Entra ID",
      values: ['here', 'everywhere', 'front_channel'],
    },
    'onbehalf.sign_out.lost_by': {
      on: 'metrics',
      brief: 'why it was given up: its minute was over, there was no room to remember it, the pod ended',
      values: ['expired', 'full', 'shutdown'],
    },
  },
  spans: {
    'auth.user_at_idp': {
      brief: 'the person at Entra ID: from our redirect to their arrival at the callback',
    },
    'auth.code.redeem': {
      brief: 'the token request at the broker and the checks of the ID token',
    },
  },
  metrics: {
    'onbehalf.flow.started': {
      kind: 'counter',
      unit: '{flow}',
      brief: 'people sent to Entra ID',
      attributes: ['onbehalf.flow.kind'],
    },
    'onbehalf.flow.completed': {
      kind: 'counter',
      unit: '{flow}',
      brief: 'people who came back',
      attributes: ['onbehalf.flow.kind', 'onbehalf.flow.outcome', 'error.type'],
    },
    'onbehalf.flow.duration': {
      kind: 'histogram',
      unit: 's',
      brief: 'how long a flow took, by its parts',
      attributes: ['onbehalf.flow.kind', 'onbehalf.flow.part'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 900],
    },
    'onbehalf.flow.sid_missing': {
      kind: 'counter',
      unit: '{flow}',
      brief: 'ID tokens without sid: front-channel logout cannot work',
      attributes: [],
    },
    'onbehalf.sign_out.lost': {
      kind: 'counter',
      unit: '{sign_out}',
      brief: 'sign-outs that were given up unconfirmed: what they were to end may live until it idles out',
      attributes: ['onbehalf.sign_out.kind', 'onbehalf.sign_out.lost_by'],
    },
  },
} satisfies Registry;

export const { measure } = createMeasures(signals);
