import { findDebianTool } from './tool.ts';

/**
 * Prometheus' own judge of rules: promtool on PATH, else Debian's, unpacked into `cacheDir` without being root. It is
 * one static program: none of what the package needs as a service.
 * @throws Error where neither can be had.
 */
export async function findPromtool(cacheDir: string): Promise<string> {
  return (await findDebianTool({ name: 'promtool', packages: ['prometheus'] }, cacheDir)).command;
}
