import { readFileSync } from 'node:fs';

/** Loaded before a service: its clock is wrong by as many seconds as the file says, looked at anew all the time. */
const file = process.env.CLOCK_FILE ?? '';
const lookEveryMs = 50;
const realNow = Date.now;
let offsetMs = 0;

function look(): void {
  offsetMs = Number(readFileSync(file, 'utf8')) * 1_000;
}

class ShiftedDate extends Date {
  constructor(...given: [] | [number | string | Date]) {
    if (given.length === 0) super(realNow() + offsetMs);
    else super(...given);
  }
  static override now(): number {
    return realNow() + offsetMs;
  }
}

if (file) {
  look();
  setInterval(look, lookEveryMs).unref();
  globalThis.Date = ShiftedDate as DateConstructor;
}
