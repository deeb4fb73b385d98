import { join } from 'node:path';
import { openTls, type Tls } from '../../../services/entra-emulator/src/tokens/tls.ts';
import { issueCertificate } from '../../../services/token-broker/src/credentials/certificate.fake.ts';
import { mountFiles } from '../mounts.ts';

type Issued = ReturnType<typeof issueCertificate>;

export type RedisTls = Tls & {
  /** Where its `crt` and `key` are. */
  folder: string;
  /** Lines of a configuration: the certificate, and no client needs one. */
  settings: string[];
  /** A line: every client needs one of `clients`. */
  demanding: string;
  /** The authority whose certificates a Redis takes from clients. */
  clients: Issued;
};

/** The files of a Redis that speaks TLS by these names, also to its own kind. */
export async function mountRedisTls(directory: string, names: string[]): Promise<RedisTls> {
  const tls = await openTls(names, undefined);
  const clients = issueCertificate('clients of Redis');
  const own = issueCertificate('a node of Redis', clients);
  const folder = await mountFiles(join(directory, 'redis-tls'), {
    ...{ crt: tls.cert, key: tls.key, ca: `${tls.ca}${clients.certificate}` },
    ...{ 'own.crt': own.certificate, 'own.key': own.key },
  });
  const settings = [
    ...[`tls-cert-file ${folder}/crt`, `tls-key-file ${folder}/key`, `tls-ca-cert-file ${folder}/ca`],
    ...[`tls-client-cert-file ${folder}/own.crt`, `tls-client-key-file ${folder}/own.key`],
    'tls-auth-clients no',
  ];
  return { ...tls, folder, clients, settings, demanding: 'tls-auth-clients yes' };
}
