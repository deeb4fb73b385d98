import { once } from 'node:events';
import { setGlobalProxyFromEnv } from 'node:http';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { describeError } from '../telemetry/logger.ts';

/** Kubernetes sends SIGKILL after its grace; this leaves earlier, so that what hangs is at least in the log. */
const lastResortMs = 40_000;
/** What still holds the process when all is closed, as an exporter that waits for its next attempt, is given up. */
const stragglersMs = 500;

/** Resolves when the signal is aborted. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/**
 * Runs a service's composition root: SIGTERM and SIGINT become one AbortSignal, `await using` closes what it opened,
 * in reverse. A ConfigError ends it with its text, anything else with a described error; both with exit code 1. So
 * does an error that nobody caught, after the same drain. What goes out goes through HTTPS_PROXY and HTTP_PROXY where
 * they are set, but for the hosts of NO_PROXY.
 */
export async function run(main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  // Stays while we drain: a second signal, as Ctrl-C sends through a launcher, must not cut that short.
  const stop = () => {
    if (controller.signal.aborted) return;
    controller.abort();
    setTimeout(() => {
      process.stderr.write('still busy after the drain: leaving\n');
      process.exit(1);
    }, lastResortMs).unref();
  };
  const fail = (error: unknown) => {
    process.exitCode = 1;
    const text = error instanceof ConfigError ? error.message : JSON.stringify({ fatal: describeError(error) });
    process.stderr.write(`${text}\n`);
  };
  const failAndStop = (error: unknown) => {
    fail(error);
    stop();
  };
  process.on('SIGTERM', stop).on('SIGINT', stop).on('uncaughtException', failAndStop);
  try {
    setGlobalProxyFromEnv();
    await main(controller.signal);
  } catch (error) {
    fail(error);
  } finally {
    process.off('SIGTERM', stop).off('SIGINT', stop).off('uncaughtException', failAndStop);
    setTimeout(() => process.exit(), stragglersMs).unref();
  }
}
