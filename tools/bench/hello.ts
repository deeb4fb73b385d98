import { answers, type Child, startChild } from '../../test/kit/child.ts';
import { freePort } from '../../test/kit/ports.ts';

/** Starts one of the bare servers `hello-*.ts`, what anything is measured against, and waits until it answers. */
export async function startHello(name: string, ...args: string[]): Promise<Child & { origin: string }> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const child = await startChild({
    name,
    command: process.execPath,
    args: [`tools/bench/servers/${name}.ts`, String(port), ...args],
    logFile: `out/bench/${name}-${port}.log`,
    ready: () => answers(origin),
  });
  return { ...child, origin };
}
