import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { helmBinary, kubectlBinary } from '../../charts/helm.ts';

const run = promisify(execFile);
const bufferBytes = 64 << 20;

type Options = { input?: string; withinMs?: number };

/** A Kubernetes cluster, whoever runs it. Both commands give stdout. @throws Error with what a failed one said. */
export type Cluster = AsyncDisposable & {
  name: string;
  /** What stands before each command that has to be in the cluster's own network; nothing for most. */
  prefix: string[];
  env: NodeJS.ProcessEnv;
  /** What charts have to be told to find the images that `load` brought. */
  imageValues: object;
  kubectl(args: string[], options?: Options): Promise<string>;
  helm(args: string[], options?: Options): Promise<string>;
  /** Brings an archive of images, as `docker save` writes it, to every node. */
  load(archive: string): Promise<void>;
};

type Way = Pick<Cluster, 'name' | 'prefix' | 'env' | 'load'> & { registry?: string; close(): Promise<void> };

/**
 * The first there is of: the cluster that `KUBECONFIG` names; one that kind makes and that goes again; one of the scripts in
 * the folder that `CLUSTER_UP` names, by default ../shared/cluster.
 * @throws Error naming what each of them lacks.
 */
export async function provideCluster(): Promise<Cluster> {
  const lacks: string[] = [];
  for (const provide of [given, kind, scripts]) {
    const way = await provide();
    if (typeof way !== 'string') return clusterBy(way);
    lacks.push(way);
  }
  throw new Error(`there is no cluster to test in:\n${lacks.map((line) => `  - ${line}`).join('\n')}`);
}

async function given(): Promise<Way | string> {
  const { KUBECONFIG, CLUSTER_REGISTRY: registry } = process.env;
  if (!KUBECONFIG) return 'KUBECONFIG is not set';
  const env = { ...process.env };
  const context = (await run(await kubectlBinary(), ['config', 'current-context'], { env })).stdout.trim();
  const close = async () => {};
  if (registry) return { name: context, prefix: [], env, registry, load: async () => {}, close };
  const name = /^kind-(.+)$/.exec(context)?.[1];
  if (!name || !(await answers('kind', ['version'])))
    return 'KUBECONFIG names a cluster that is not kind’s: CLUSTER_REGISTRY has to name where images of this tree were pushed with the tag dev';
  return { name: context, prefix: [], env, load: (archive) => kindLoad(name, archive), close };
}

async function kind(): Promise<Way | string> {
  if (!(await answers('kind', ['version']))) return 'there is no kind';
  if (!(await answers('docker', ['info']))) return 'kind needs a Docker engine, and none answers';
  const name = 'onbehalf-test';
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-kind-'));
  const env = { ...process.env, KUBECONFIG: join(folder, 'config') };
  const config =
    'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: control-plane}, {role: worker}, {role: worker}]\n';
  await piped('kind', ['create', 'cluster', '--name', name, '--wait', '180s', '--config', '-'], { env, input: config });
  const close = async () => {
    await run('kind', ['delete', 'cluster', '--name', name], { env });
    await rm(folder, { recursive: true });
  };
  return { name: `kind-${name}`, prefix: [], env, load: (archive) => kindLoad(name, archive), close };
}

async function scripts(): Promise<Way | string> {
  const folder = resolve(process.env.CLUSTER_UP ?? '../shared/cluster');
  if (!existsSync(join(folder, 'up.sh'))) return `${folder} has no up.sh (CLUSTER_UP names another folder)`;
  if (process.getuid?.() !== 0) return `the scripts of ${folder} need root`;
  const script = (name: string, ...args: string[]) =>
    run(join(folder, name), args, { timeout: 3_600_000, maxBuffer: bufferBytes });
  await script('build.sh');
  await script('up.sh');
  const { stdout } = await run('bash', ['-c', `. ${folder}/env.sh; echo "$KUBECONFIG"; declare -f in1`]);
  const network = /--net=(\S+)/.exec(stdout)?.[1];
  return {
    name: folder,
    prefix: network ? ['nsenter', `--net=${network}`, '--'] : [],
    env: { ...process.env, KUBECONFIG: stdout.split('\n')[0] ?? '' },
    load: async (archive) => void (await script('load.sh', archive)),
    close: async () => void (await script('down.sh')),
  };
}

const kindLoad = async (name: string, archive: string) =>
  void (await run('kind', ['load', 'image-archive', archive, '--name', name], { timeout: 600_000 }));

async function clusterBy({ registry, close, ...way }: Way): Promise<Cluster> {
  const [helm, kubectl] = [await helmBinary(), await kubectlBinary()];
  const command =
    (path: string) =>
    (args: string[], options: Options = {}) => {
      const [file = path, ...before] = [...way.prefix, path];
      return piped(file, [...before, ...args], { env: way.env, ...options });
    };
  return {
    ...way,
    imageValues: { global: { image: registry ? { registry, tag: 'dev' } : { preloaded: true, tag: 'dev' } } },
    kubectl: command(kubectl),
    helm: command(helm),
    [Symbol.asyncDispose]: close,
  };
}

/** Runs a command, with this on its standard input. */
function piped(file: string, args: string[], { env, input, withinMs = 300_000 }: Options & { env: NodeJS.ProcessEnv }) {
  return new Promise<string>((done, failed) => {
    const child = spawn(file, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
    child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (err += text));
    child.stdin.on('error', () => {}).end(input);
    child.once('error', failed).once('close', (code) => {
      clearTimeout(timer);
      if (code === 0) done(out);
      else failed(new Error(`${file} ${args.join(' ')} ended with ${code ?? 'a kill'}:\n${err}${out}`.slice(0, 4_000)));
    });
  });
}

const answers = (file: string, args: string[]): Promise<boolean> =>
  run(file, args, { timeout: 10_000 }).then(
    () => true,
    () => false,
  );
