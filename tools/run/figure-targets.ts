/** `aim`: shown beside what was measured, which says more of the machine than of the broker; never missed. */
export type Target = { is: '=' | '≤' | '≥'; limit: number; unit: string; aim?: true };

const none = (unit: string): Target => ({ is: '=', limit: 0, unit });
const exactly = (limit: number, unit: string): Target => ({ is: '=', limit, unit });
const atMost = (limit: number, unit: string): Target => ({ is: '≤', limit, unit });
const aimAtMost = (limit: number, unit: string): Target => ({ ...atMost(limit, unit), aim: true });
const atLeast = (limit: number, unit: string): Target => ({ is: '≥', limit, unit });

/** Every figure that `npm run figures` shows. Three brokers, one Redis and one Entra ID, unless said otherwise. */
export const targets = {
  'silent refresh, Entra 0.5 s: calls for 300 callers': exactly(1, 'call'),
  'on behalf of, Entra 0.5 s: calls for 300 callers': exactly(1, 'call'),
  'client credentials, Entra 0.5 s: calls for 300 callers': exactly(1, 'call'),
  'silent refresh, Entra 3 s: calls for 300 callers': exactly(1, 'call'),
  'on behalf of, Entra 3 s: calls for 300 callers': exactly(1, 'call'),
  'client credentials, Entra 3 s: calls for 300 callers': exactly(1, 'call'),
  'silent refresh, Entra 7 s: calls for 300 callers': exactly(1, 'call'),
  'on behalf of, Entra 7 s: calls for 300 callers': exactly(1, 'call'),
  'client credentials, Entra 7 s: calls for 300 callers': exactly(1, 'call'),
  'Entra 0.5 s: of 900 callers, those with the one token of their grant': exactly(900, 'callers'),
  'Entra 0.5 s: what 99 % of the callers wait beyond it': aimAtMost(60, 'ms'),
  'Entra 3 s: of 900 callers, those with the one token of their grant': exactly(900, 'callers'),
  'Entra 3 s: what 99 % of the callers wait beyond it': aimAtMost(60, 'ms'),
  'Entra 7 s: of 900 callers, those with the one token of their grant': exactly(900, 'callers'),
  'Entra 7 s: what 99 % of the callers wait beyond it': aimAtMost(60, 'ms'),
  'agents, 300 callers: calls for the credential': exactly(1, 'call'),
  'agents, 300 callers: calls for itself': exactly(2, 'calls'),
  'agents, 300 callers: calls on behalf': exactly(1, 'call'),
  'agents, 300 callers: calls as its user': exactly(1, 'call'),
  'silent refresh, Entra 12 s: calls for 300 callers': exactly(1, 'call'),
  'on behalf of, Entra 12 s: calls for 300 callers': exactly(1, 'call'),
  'client credentials, Entra 12 s: calls for 300 callers': exactly(1, 'call'),
  'Entra 12 s: of 900 callers, those told 503 with Retry-After': exactly(900, 'callers'),
  'Entra 12 s: slowest answer': atMost(10, 's'),

  'lease holder killed: calls': atMost(2, 'calls'),
  'lease holder killed: of 60 callers, those served': exactly(60, 'callers'),
  'lease holder killed: slowest answer (lease 3 s, Entra 1.5 s)': atMost(5.5, 's'),
  'lease holder paused past its lease: values it still changed': none('values'),
  'Redis behind sentinels, the master killed: sessions signed out': none('sessions'),
  'Redis behind sentinels, the master killed: requests for held tokens served': atLeast(95, '%'),
  'Redis behind sentinels, the master killed: slowest refusal': atMost(2_500, 'ms'),
  'Redis behind sentinels, the master killed: until somebody signs in again': atMost(20, 's'),

  'a code sent 60 times at once: sessions': exactly(1, 'session'),

  '20 accounts x 10 scopes, 20 rounds: refreshes': exactly(4_000, 'calls'),
  '20 accounts x 10 scopes, 20 rounds: entries lost': none('entries'),
  '20 accounts x 10 scopes, 20 rounds: entries of another account': none('entries'),
  '50 people x 64 at once, 1 in 10 a refresh: requests': atLeast(10_000, 'requests'),
  '50 people x 64 at once, 1 in 10 a refresh: tokens of another, or for another scope': none('tokens'),
  '50 people x 64 at once, 1 in 10 a refresh: requests that failed': none('requests'),
  '50 people x 64 at once, 1 in 10 a refresh: partitions with anything of another': none('partitions'),

  'sign-out during a refresh, 200 interleavings: resurrections': none('sessions'),
  'sign-out during a call on behalf of, 200 interleavings: resurrections': none('assertions'),
  'sign-out: until every broker refuses': atMost(1_000, 'ms'),
  'process: until every broker refuses after a sign-out everywhere': atMost(1_000, 'ms'),
  'process: until every broker refuses after the operator': atMost(1_000, 'ms'),

  'sign-out broken off after each command, Redis lost, on Redis: commands': atLeast(20, 'commands'),
  'sign-out broken off after each command, Redis lost, on Redis: sessions and assertions that outlived it':
    none('left'),
  'sign-out broken off after each command, Redis lost, on Redis: logged too early': none('ends'),
  'sign-out broken off after each command, broker killed, on Redis: commands': atLeast(20, 'commands'),
  'sign-out broken off after each command, broker killed, on Redis: sessions and assertions that outlived it':
    none('left'),
  'sign-out broken off after each command, broker killed, on Redis: logged too early': none('ends'),
  'sign-out broken off after each command, Redis lost, on Redis Cluster: commands': atLeast(20, 'commands'),
  'sign-out broken off after each command, Redis lost, on Redis Cluster: sessions and assertions that outlived it':
    none('left'),
  'sign-out broken off after each command, Redis lost, on Redis Cluster: logged too early': none('ends'),
  'sign-out broken off after each command, broker killed, on Redis Cluster: commands': atLeast(20, 'commands'),
  'sign-out broken off after each command, broker killed, on Redis Cluster: sessions and assertions that outlived it':
    none('left'),
  'sign-out broken off after each command, broker killed, on Redis Cluster: logged too early': none('ends'),
  'keys without an end after sign-outs that broke off, on Redis': none('keys'),
  'keys without an end after sign-outs that broke off, on Redis Cluster': none('keys'),

  'sealing key changed under load: wrong answers and sign-outs': none('answers'),
  'sealing key changed under load: values read and still under the old key': none('values'),
  'a byte flipped in each of 24 values: taken for a miss': exactly(24, 'values'),
  'values laid in the place of another: opened': none('values'),
  'secret replaced under load: requests that failed': none('requests'),
  'certificate replaced under load: requests that failed': none('requests'),
  'federated token replaced under load: requests that failed': none('requests'),

  '429, Retry-After 60: further calls for that person inside the window': none('calls'),
  '429, Retry-After 60: of 60 callers, those told Retry-After': exactly(60, 'callers'),
  '429, Retry-After 60: stored tokens not served': none('tokens'),
  '429, Retry-After 60: other people refused': none('requests'),

  'every refusal of one person: provoked': atLeast(200, 'refusals'),
  'every refusal of one person: requests of 50 others meanwhile': atLeast(1_000, 'requests'),
  'every refusal of one person: requests of 50 others refused': none('requests'),

  'Redis cut for 10 s: requests for held tokens served': atLeast(99, '%'),
  'Redis cut for 10 s: slowest refusal': atMost(1_000, 'ms'),
  'Redis cut for 10 s: until the first success after it': atMost(5, 's'),
  'Redis cut for 10 s: brokers restarted': none('brokers'),
  'Redis frozen for 10 s: requests for held tokens served': atLeast(99, '%'),
  'Redis frozen for 10 s: slowest refusal': atMost(1_000, 'ms'),
  'Redis frozen for 10 s: until the first success after it': atMost(5, 's'),
  'Redis frozen for 10 s: brokers restarted': none('brokers'),
  'Redis cut and frozen: sessions ended': none('sessions'),

  'Redis Cluster of 3 + 3: calls for 300 callers': exactly(1, 'call'),
  'Redis Cluster silent for 10 s: requests for held tokens served': atLeast(99, '%'),
  'Redis Cluster silent for 10 s: slowest refusal': atMost(1_000, 'ms'),
  'Redis Cluster silent for 10 s: until the first success after it': atMost(5, 's'),
  'Redis Cluster, a master killed: requests for held tokens served': atLeast(99, '%'),
  'Redis Cluster, a master killed: slowest refusal': atMost(1_000, 'ms'),
  'Redis Cluster, a master killed: until every slot is served': atMost(15, 's'),

  'front mode, pass none: CPU of a request, of one at a bare proxy': aimAtMost(1.6, 'times'),
  'front mode, pass identity: CPU of a request, of one at a bare proxy': aimAtMost(1.6, 'times'),
  'front mode, pass token: CPU of a request, of one at a bare proxy': aimAtMost(1.6, 'times'),
  'telemetry of everything: its CPU in a token request from memory': aimAtMost(80, 'us'),
  'telemetry of everything: such a request costs, of one without': atMost(3, 'times'),

  'keys without an end after the stampedes': none('keys'),
  'keys without an end after the accounts': none('keys'),
  'keys without an end after the sign-outs': none('keys'),
  'keys without an end after the rotations': none('keys'),
  'keys without an end after the throttling': none('keys'),
  'keys without an end after the outages': none('keys'),
  'keys without an end on the Redis Cluster': none('keys'),
} satisfies Record<string, Target>;
