import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, SocketAddress } from 'node:net';
import type { Log } from '../../core/log.ts';
import { withoutSpace } from '../../core/optional-space.ts';

/** Names for ranges, as the configuration takes them. */
const ranges = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/** Addresses that only our own proxies have. */
const inside = blockListOf(Object.values(ranges).flat());

type Carrier = Pick<IncomingMessage, 'headers' | 'socket'>;
export type ClientNetwork = (req: Carrier) => string;

/**
 * The client that a limit counts a request for: an IPv4 address or the /64 of an IPv6 one, since a client has
 * all addresses of its /64.
 */
export function createClientNetwork(trusted: readonly string[], logger: Log): ClientNetwork {
  const clientOf = createClientAddress(trusted, logger);
  return (req) => {
    const client = clientOf(req);
    return client ? networkOf(client) : 'unknown';
  };
}

/**
 * A request's client. `X-Forwarded-For` is read from its end, as far as the hops are `trusted` (addresses, CIDR ranges,
 * names of ranges). Where an entry cannot be read, the hop that wrote it is the client.
 */
export function createClientAddress(trusted: readonly string[], logger: Log): (req: Carrier) => Address | undefined {
  const hops = hopsOf(trusted);
  let reported = false;

  /** Behind a proxy that is not trusted all people count as one client: the log tells the operator. */
  function reportUntrusted(hop: Address): void {
    if (reported || !inside.check(hop.address, hop.family)) return;
    reported = true;
    logger.warn({ event: 'proxy.untrusted' }, 'a proxy that TRUSTED_PROXIES lacks: its people count as one client');
  }

  return ({ headers, socket }) => {
    const forwarded = headers['x-forwarded-for'];
    let client = addressOf(socket.remoteAddress ?? '');
    if (!client || forwarded === undefined) return client;
    const path = String(forwarded).split(',');
    if (!hops.check(client.address, client.family)) reportUntrusted(client);
    while (path.length > 0 && hops.check(client.address, client.family)) {
      const before = path.pop() ?? '';
      if (/^[ \t]*$/.test(before)) continue;
      const next = addressOf(before);
      if (!next) break;
      client = next;
    }
    return client;
  };
}

/** Whether a request comes from one of these hops itself. */
export function createTrust(trusted: readonly string[]): (req: Carrier) => boolean {
  const hops = hopsOf(trusted);
  return ({ socket }) => {
    const peer = addressOf(socket.remoteAddress ?? '');
    return peer !== undefined && hops.check(peer.address, peer.family);
  };
}

function hopsOf(trusted: readonly string[]): BlockList {
  return blockListOf(trusted.flatMap((one) => ranges[one as keyof typeof ranges] ?? [one]));
}

export type Address = { address: string; family: 'ipv4' | 'ipv6' };

/** Longer than any spelling of an address. */
const maxLength = 100;

/** Proxies send all requests from few addresses; strangers may have others for ever. */
const mostRemembered = 2_000;
const remembered = new Map<string, Address | undefined>();

/** An address in its one spelling, without port, brackets and zone; undefined for anything else. */
function addressOf(text: string): Address | undefined {
  if (text.length > maxLength) return undefined;
  const known = remembered.get(text);
  if (known) return known;
  const address = parseAddress(text);
  if (remembered.size < mostRemembered) remembered.set(text, address);
  return address;
}

function parseAddress(text: string): Address | undefined {
  const bare = withoutSpace(text);
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(bare)?.[1];
  const readings = bracketed === undefined ? [bare, bare.replace(/:\d{1,5}$/, '')] : [bracketed];
  const found = readings.find((one) => isIP(one) !== 0);
  if (found === undefined) return undefined;
  if (isIP(found) === 4) return { address: found, family: 'ipv4' };
  const { address } = new SocketAddress({ address: found, family: 'ipv6' });
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  return mapped === undefined ? { address, family: 'ipv6' } : { address: mapped, family: 'ipv4' };
}

function networkOf({ address, family }: Address): string {
  if (family === 'ipv4') return address;
  const [left = [], right = []] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}

function blockListOf(trusted: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of trusted) {
    const [address = '', prefix] = range.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}
