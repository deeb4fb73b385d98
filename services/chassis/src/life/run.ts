import { once } from 'node:events';
import http from 'node:http';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { describeError } from '../telemetry/logger.ts';

/** Kubernetes sends SIGKILL after its grace period. This exit comes earlier, so that a hanging end is in the log. */
const lastResortMs = 40_000;
/** After all is closed, the process exits after this time, even if e.g. an exporter waits for its next attempt. */
const stragglersMs = 500;

/** Resolves when the signal is aborted. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/**
 * Runs the main function of a service. SIGTERM and SIGINT abort its signal; `await using` closes what it opened, in
 * reverse order. An error ends the service with exit code 1: a ConfigError prints its text, other errors a description.
 * An uncaught error aborts the signal too. Outgoing requests use HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
 */
export async function run(main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  // The handler stays during the drain: a second signal, as Ctrl-C sends through a launcher, must not end it early.
  const stop = () => {
    if (controller.signal.aborted) return;
    controller.abort();
    setTimeout(() => {
      process.stderr.write('The drain does not end: exiting.\n');
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
    // The emulator of the npm package runs on older Nodes too, which have no such function.
    http.setGlobalProxyFromEnv?.();
    await main(controller.signal);
  } catch (error) {
    fail(error);
  } finally {
    process.off('SIGTERM', stop).off('SIGINT', stop).off('uncaughtException', failAndStop);
    setTimeout(() => process.exit(), stragglersMs).unref();
  }
}
