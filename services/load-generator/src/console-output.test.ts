import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createConsoleOutput, describeRun } from './console-output.ts';
import { sampleResult } from './results/result.fake.ts';
import type { ScenarioRun } from './results/result.ts';
import { RunClock } from './run-clock.ts';

describe('what a person who waits for a load test sees', () => {
  it('is which run it is and how long all that is left takes, by what the runs before took', () => {
    let ms = 0;
    const clock = new RunClock([60, 60, 60], () => ms);
    assert.equal(clock.tell(), '1 of 3, 3:45 left');
    ms = 35_000;
    assert.equal(clock.tell(20), '1 of 3, 3:10 left');
    ms = 70_000;
    clock.end();
    assert.match(clock.tell(), /^2 of 3, 2:1\d left$/);
    ms = 210_000;
    clock.end();
    clock.end();
    assert.equal(clock.tell(), '3 of 3, 0:00 left');
  });

  it('is said with every line of progress', () => {
    const lines: string[] = [];
    const stream = { isTTY: false, write: (line: string) => lines.push(line) > 0 } as unknown as NodeJS.WriteStream;
    const output = createConsoleOutput(new RunClock([0.8], () => 0), stream);
    output.say('stampede', 'running');
    output.tell('stampede', 0.8, { atSeconds: 0, sent: 1, errors: 0, inFlight: 1, p50Ms: 0, p99Ms: 0 });
    assert.match(lines[0] ?? '', /^1 of 1, 0:1\d left · stampede: running\n$/);
    assert.doesNotMatch(lines.join(''), /of 0 s|of 1 s/);
  });

  it('has no null and no run of 0 s', () => {
    const [run] = sampleResult.runs as [ScenarioRun];
    const levels = run.levels.map((row) => ({ ...row, p99Ms: null }));
    const text = describeRun({ ...run, durationSeconds: 0.3, levels }, false);
    assert.doesNotMatch(text, /null|for 0 s/);
    assert.match(text, /for 0\.3 s/);
  });

  it('is that a crowded machine takes the times of a quick run, and makes any other invalid', () => {
    const [run] = sampleResult.runs as [ScenarioRun];
    const crowded = { ...run, validity: { ...run.validity, valid: false, reasons: ['the machine was crowded'] } };
    assert.match(describeRun(crowded, true), /^ {2}no times: the machine was crowded$/m);
    assert.match(describeRun({ ...crowded, verdict: 'invalid' }, false), /^ {2}invalid: the machine was crowded$/m);
  });
});
