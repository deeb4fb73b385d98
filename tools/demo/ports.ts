import { freePort, isFree } from '../../test/kit/ports.ts';
import type { Ports } from '../../test/kit/system/open.ts';

export type DemoPorts = Ports & { viewer: number; panel: number };

const usualPorts: DemoPorts = {
  web: 3000,
  entra: 9443,
  entraBrowser: 9440,
  entraAdmin: 9444,
  viewer: 4318,
  panel: 3100,
};
const portOwners: Record<keyof DemoPorts, string> = {
  web: 'web-frontend is',
  entra: 'the emulator is',
  entraBrowser: "the emulator's pages are",
  entraAdmin: "the emulator's admin API is",
  viewer: 'the trace viewer is',
  panel: 'the page "Break it" is',
};

type Choice = { anyPort: boolean; print: (line: string) => void; usual?: DemoPorts };

/** The usual ports; in place of one that is taken the next free one, said in a line. */
export async function choosePorts({ anyPort, print, usual = usualPorts }: Choice): Promise<DemoPorts> {
  const chosen: Partial<DemoPorts> = {};
  for (const name of Object.keys(usual) as (keyof DemoPorts)[]) {
    const port = anyPort
      ? await freePort()
      : await nextFree(usual[name], [...Object.values(usual), ...Object.values(chosen)]);
    chosen[name] = port;
    if (!anyPort && port !== usual[name]) print(`port ${usual[name]} is taken: ${portOwners[name]} at ${port}`);
  }
  return chosen as DemoPorts;
}

/** The port, or the first one above it that is free and that no other part is to have. */
async function nextFree(wanted: number, others: number[]): Promise<number> {
  for (let port = wanted; ; port += 1) {
    const reserved = port !== wanted && others.includes(port);
    if (!reserved && (await isFree(port))) return port;
  }
}
