import { once } from 'node:events';
import { atMost, exactly, noErrors, noForeign, percentileAtMost } from '../../judging/checks.ts';
import type { Act, Clock, Scenario } from '../../judging/scenario.ts';
import { exchangeKind, signIn, warm } from '../../target/people.ts';
import type { Stage } from '../../target/stage.ts';

const firstAtSeconds = 4;
/** What a Service takes to tell everybody that a pod has gone; the broker keeps serving for so long. */
const shutdownDelayMs = 2_000;

export const rolling: Scenario = {
  name: 'rolling',
  brief: 'brokers are replaced one by one under load',
  load: { ratePerSecond: 200, users: 500, durationSeconds: 60, brokers: 3 },
  smaller: { ratePerSecond: 100, users: 250 },
  quick: { ratePerSecond: 50, users: 60, durationSeconds: 20 },
  variants: () => [
    {
      name: '',
      stage: { env: { SHUTDOWN_DELAY_MS: String(shutdownDelayMs), DRAIN_MS: '5000' } },
      prepare: (stage, load) => prepare(stage, load.users, load.durationSeconds),
    },
  ],
};

async function prepare(stage: Stage, users: number, durationSeconds: number): Promise<Act> {
  const people = await signIn(stage, users);
  await warm(stage, people);
  const service = await stage.openService();
  const everySeconds = (durationSeconds - firstAtSeconds - 2) / stage.brokers.length;
  return {
    kinds: [exchangeKind(stage, people, { asksAgain: true })],
    ...{ targets: [service.url], sloMs: 100, minimumCalls: () => 0 },
    async during(clock) {
      for (const [i] of stage.brokers.entries()) {
        await clock.at(firstAtSeconds + i * everySeconds);
        await replace(stage, service.follow, i, clock);
      }
    },
    checks: (observed) => [
      noErrors(observed),
      atMost('connections that went away, asked again', observed.all.askedAgain, observed.totals.requests / 1_000),
      exactly('calls to Entra', observed.totals.calls, 0),
      percentileAtMost('latency', observed.all.response, 99, 100),
      noForeign(observed),
    ],
  };
}

/** As a Deployment does: the new pod first, then the old one leaves the Service and is told to end. */
async function replace(stage: Stage, follow: () => void, index: number, { now, mark }: Clock): Promise<void> {
  const beganSeconds = now();
  const old = stage.brokers[index];
  stage.brokers[index] = await stage.startBroker();
  follow();
  if (old) {
    const ended = once(old.child.process, 'exit');
    old.child.process.kill('SIGTERM');
    await ended;
  }
  mark('restart', `broker ${index + 1} replaced`, beganSeconds);
}
