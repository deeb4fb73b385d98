import { findDebianTool } from '../kit/debian/tool.ts';

/**
 * A Docker Compose v2 that stands alone: `DOCKER_COMPOSE`, else the binary of a newer Debian's package, which runs on
 * this one.
 * @throws Error if there is no Debian mirror.
 */
export async function provideCompose(): Promise<string> {
  if (process.env.DOCKER_COMPOSE) return process.env.DOCKER_COMPOSE;
  const wanted = {
    name: 'docker-compose',
    packages: ['docker-compose'],
    path: 'usr/libexec/docker/cli-plugins/docker-compose',
    suite: 'trixie',
  };
  return (await findDebianTool(wanted, '.cache')).command;
}
