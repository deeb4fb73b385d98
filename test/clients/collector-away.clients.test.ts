import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createViewer, type Viewer } from '@onbehalf/trace-viewer/viewer';
import { type Child, ended } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { openRelay, type Relay } from '../kit/relay.ts';
import { signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { isWhole } from '../kit/traces.ts';
import { until } from '../kit/until.ts';
import { clientTests, type Seen } from './client.ts';
import { collector, startCollector } from './collector.ts';

/** As the chart sets it. */
const queue = 8_192;
const mostMemoryMb = 128;
const callsPerSecond = 200;
/** What a call with a token that can be none leaves at the API: the request, and the check. */
const spansPerCall = 2;
const people = 3;

/** The unique spans of the API among those that the Collector has passed on. */
class Arrived {
  readonly ids = new Set<string>();

  take(body: Buffer): void {
    for (const { resource, scopeSpans } of JSON.parse(body.toString()).resourceSpans) {
      if (!JSON.stringify(resource).includes('downstream-api')) continue;
      for (const { spans } of scopeSpans) for (const { spanId } of spans) this.ids.add(spanId);
    }
  }
}

/** A Collector that is taken away, the API that sends to it, and what has come of its spans. */
class Trial {
  readonly #system: System;
  readonly #viewer: Viewer;
  readonly #arrived: Arrived;
  readonly #behind: Relay;
  readonly #start: () => Promise<Child>;
  #collector: Child | undefined;
  #made = 0;

  constructor(parts: { system: System; viewer: Viewer; arrived: Arrived; behind: Relay; start: () => Promise<Child> }) {
    this.#system = parts.system;
    this.#viewer = parts.viewer;
    this.#arrived = parts.arrived;
    this.#behind = parts.behind;
    this.#start = parts.start;
  }

  async begin(): Promise<void> {
    await this.#restart();
    await this.#underLoad(() => delay(1_000));
    await this.#settle();
    assert.ok(this.#arrived.ids.size > 0, 'nothing arrives');
  }

  /** It refuses for 2.5 s, is gone for 2.5 s, and comes back; people sign in meanwhile. */
  async fiveSeconds() {
    await this.#underLoad(async () => {
      // What stands behind it is away: the Collector itself responds 503 then.
      this.#behind.cut();
      const signingIn = this.#signInAll();
      await delay(2_500);
      await this.#kill();
      this.#behind.restore();
      await delay(2_500);
      await Promise.all([this.#restart(), signingIn]);
    });
    const signedIn = () => this.#viewer.flows().filter(({ action }) => action === 'sign in');
    const whole = () => signedIn().filter((trace) => isWhole(this.#viewer, trace, 14)).length;
    await until(() => whole() >= people, 'the sign-ins').catch(() => undefined);
    return { ...(await this.#settle()), whole: whole(), said: this.#said().map(({ event }) => event) };
  }

  /** It is gone for a minute. */
  async sixtySeconds() {
    await this.#kill();
    const usualMb = this.#memoryMb();
    let mostMb = 0;
    await this.#underLoad(async () => {
      for (let second = 0; second < 60; second += 1) {
        await delay(1_000);
        mostMb = Math.max(mostMb, this.#memoryMb());
      }
      const before = this.#arrived.ids.size;
      await this.#restart();
      // The SDK tells what it dropped with the next span that finds room.
      await until(() => this.#arrived.ids.size > before, 'it takes spans again').catch(() => undefined);
      await delay(1_000);
    });
    const counts = await this.#settle();
    const said = this.#said();
    const reasons = said.filter(({ event }) => event === 'telemetry.failed').map(({ error }) => JSON.stringify(error));
    return { ...counts, grewMb: Math.round(mostMb - usualMb), said: said.map(({ event }) => event), reasons };
  }

  async #kill(): Promise<void> {
    const { process } = this.#collector ?? assert.fail('no Collector runs');
    process.kill('SIGKILL');
    await ended(process);
  }

  async #restart(): Promise<void> {
    this.#collector = await this.#start();
  }

  async #signInAll(): Promise<void> {
    for (const person of ['alice', 'bob', 'carol'].slice(0, people))
      await signIn(this.#system.visitor(), this.#system, person);
  }

  /** Calls the API so many times a second until `work` has ended. */
  async #underLoad(work: () => Promise<unknown>): Promise<void> {
    let over = false;
    const headers = { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' };
    const call = async () => {
      const response = await fetch(`${this.#system.api}/whoami`, { headers });
      await response.body?.cancel();
      assert.equal(response.status, 401);
      this.#made += spansPerCall;
    };
    const calling = async () => {
      while (!over) await Promise.all([delay(100), ...Array.from({ length: callsPerSecond / 10 }, call)]);
    };
    const working = work().finally(() => {
      over = true;
    });
    await Promise.all([calling(), working]);
  }

  /** Waits until each span of the API has arrived or is told as lost; gives how many of all so far. */
  async #settle() {
    const counts = async () => ({ made: this.#made, arrived: this.#arrived.ids.size, lost: await this.#lost() });
    const isOver = async () => {
      const { made, arrived, lost } = await counts();
      return arrived + lost >= made;
    };
    await until(isOver, 'each span').catch(() => undefined);
    return await counts();
  }

  async #lost(): Promise<number> {
    const page = await (await fetch(`${this.#system.adminOf('downstream-api')}/metrics`)).text();
    return Number(/^onbehalf_telemetry_lost_total(?:\{.*\})? (\d+)/m.exec(page)?.[1]);
  }

  #memoryMb(): number {
    const status = readFileSync(`/proc/${this.#system.program('downstream-api').process.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024;
  }

  #said(): Record<string, unknown>[] {
    const lines = readFileSync(this.#system.program('downstream-api').logFile, 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line)).filter(({ event }) => /^telemetry\./.test(event));
  }
}

/** One trial with services of its own. */
async function tryOut(flow: string, work: (trial: Trial) => Promise<Seen>) {
  const arrived = new Arrived();
  await using viewer = await createViewer({
    onExport: (signal, body) => void (signal === 'traces' && arrived.take(body)),
  });
  await using behind = await openRelay({ host: '127.0.0.1', port: Number(new URL(viewer.url).port) });
  const port = await freePort();
  const otel = {
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_METRICS_EXPORTER: 'none' },
    ...{ OTEL_BSP_MAX_QUEUE_SIZE: `${queue}`, METRICS_ENABLED: 'true' },
  };
  await using system = await openSystem({
    ...{ name: 'clients-collector-away', frontend: true },
    env: { web: { ...otel, PUBLIC_RATE_BURST: '10000' }, broker: otel, api: otel },
  });
  // It responds as what stands behind it does, so that no span that it has taken is in it alone when it is killed.
  const exporter = {
    ...{ endpoint: `http://127.0.0.1:${behind.port}`, encoding: 'json', compression: 'none' },
    ...{ sending_queue: { enabled: false }, retry_on_failure: { enabled: false } },
  };
  await using started = new AsyncDisposableStack();
  const start = async () =>
    started.use(await startCollector({ directory: system.logDir, port, exporters: { otlp_http: exporter } }));
  const trial = new Trial({ system, viewer, arrived, behind, start });
  await trial.begin();
  const seen = await work(trial);
  console.log(JSON.stringify(seen));
  return { version: collector.version, flows: { [flow]: seen } };
}

const five = 'away for five seconds, by 503 and killed, loses no span, and each sign-in is whole';
const sixty = 'away for a minute costs what does not fit, all of it told, and bounded memory';

clientTests(
  { client: collector.client, at: 'our spans', run: () => tryOut(five, (trial) => trial.fiveSeconds()) },
  {
    [five]: ({ made, arrived, ...rest }) => {
      assert.deepEqual(rest, { lost: 0, whole: people, said: [] });
      assert.equal(arrived, made);
    },
  },
);
clientTests(
  {
    ...{ client: collector.client, at: 'our spans', withinMs: 170_000 },
    run: () => tryOut(sixty, (trial) => trial.sixtySeconds()),
  },
  {
    [sixty]: ({ made, arrived, lost, grewMb, said, reasons }) => {
      assert.ok(Number(lost) > 0, 'the minute was not long enough to lose anything');
      assert.equal(Number(arrived) + Number(lost), made, 'each is sent or told');
      // What was waiting, and what was made after it came back.
      assert.ok(Number(arrived) >= queue, `${arrived} of ${made}`);
      assert.ok(Number(grewMb) < mostMemoryMb, `${grewMb} MB`);
      assert.deepEqual((said as string[]).slice(0, 1), ['telemetry.failed']);
      assert.ok((said as string[]).includes('telemetry.resumed'), String(said));
      assert.match(String(reasons), /ECONNREFUSED/);
    },
  },
);
