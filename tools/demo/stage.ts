import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { ended } from '../../test/kit/child.ts';
import { accept, pick, signIn } from '../../test/kit/steps.ts';
import type { System } from '../../test/kit/system/system.ts';
import type { Visitor } from '../../test/kit/visitor.ts';

/** What a part that was killed may take to be there again. */
const backWithinMs = 30_000;

/** The running demo, to break it and to see what people see. Every method that breaks something gives how to mend it. */
export class Stage {
  readonly system: System;
  readonly #visitors = new Map<string, Visitor>();

  constructor(system: System) {
    this.system = system;
  }

  /** Somebody who is signed in and has called the API once, so that a token of theirs is there. */
  async person(name: string): Promise<Visitor> {
    const visitor = this.#visitors.get(name) ?? this.system.visitor();
    this.#visitors.set(name, visitor);
    await visitor.open(`${this.system.web}/`);
    if (!/You are signed in as/.test(visitor.words)) await signIn(visitor, this.system, name);
    await visitor.open(`${this.system.web}/graph/me`);
    for (let asked = 0; asked < 3 && visitor.page.url.origin !== this.system.web; asked += 1) {
      if (/Pick an account/.test(visitor.words)) await pick(visitor, this.system, name);
      else await accept(visitor, this.system);
    }
    assert.match(visitor.words, /The API responded/, `${name} cannot call the API: ${visitor.words.slice(0, 200)}`);
    return visitor;
  }

  /** A sign-in from the start, of a browser that was never here. Gives what its last page says. */
  async newSignIn(name: string): Promise<string> {
    const visitor = this.system.visitor();
    await visitor.open(`${this.system.web}/sign-in`);
    if (visitor.page.url.origin !== this.system.web) await pick(visitor, this.system, name);
    if (/Permissions requested/.test(visitor.words)) await accept(visitor, this.system);
    return visitor.words;
  }

  /** Signs in anew until it works. Gives the milliseconds it took. */
  async signsIn(name: string, withinMs = 20_000): Promise<number> {
    const startedAtMs = performance.now();
    for (;;) {
      const says = await this.newSignIn(name);
      const ms = Math.round(performance.now() - startedAtMs);
      if (/You are signed in as/.test(says)) return ms;
      assert.ok(ms < withinMs, `after ${ms} ms a sign-in says: ${says.slice(0, 200)}`);
      await delay(200);
    }
  }

  /** Opens a page until it says this. Gives the milliseconds it took. */
  async shows(visitor: Visitor, path: string, says: RegExp, withinMs = 10_000): Promise<number> {
    const startedAtMs = performance.now();
    for (;;) {
      await visitor.open(`${this.system.web}${path}`);
      const ms = Math.round(performance.now() - startedAtMs);
      if (says.test(visitor.words)) return ms;
      assert.ok(ms < withinMs, `after ${ms} ms ${path} says: ${visitor.words.slice(0, 200)}`);
      await delay(100);
    }
  }

  /** Stops a program (SIGSTOP), as a machine that hangs. */
  freeze(name: string): Disposable {
    const { process } = this.system.program(name);
    process.kill('SIGSTOP');
    return { [Symbol.dispose]: () => void process.kill('SIGCONT') };
  }

  /** Kills a program (SIGKILL) and waits until the demo has started it again. Gives the milliseconds it took. */
  async kill(name: string): Promise<number> {
    const processOf = () => (name === 'redis' ? this.system.redis.own?.process() : this.system.program(name).process);
    const dying = processOf();
    if (!dying) throw new Error('This Redis is not the demo’s own: it is not killed.');
    const startedAtMs = performance.now();
    dying.kill('SIGKILL');
    await ended(dying);
    while (processOf() === dying) {
      assert.ok(performance.now() - startedAtMs < backWithinMs, `${name} did not come back`);
      await delay(50);
    }
    return Math.round(performance.now() - startedAtMs);
  }

  /** Scripts what Entra does from now on: the emulator's README, "Script a fault". */
  async faults(...faults: object[]): Promise<AsyncDisposable> {
    await this.system.admin('PUT', '/faults', faults);
    return { [Symbol.asyncDispose]: async () => void (await this.system.admin('DELETE', '/faults')) };
  }
}
