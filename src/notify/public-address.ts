import dns from 'node:dns';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';
import { DeliveryFailed } from './delivery.js';

const notPublic = new BlockList();
// Everything that IANA reserves: this host, private networks, link-local, carrier-grade NAT, documentation, multicast.
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  notPublic.addSubnet(net, bits, 'ipv4');
}
// Of IPv6 only the global unicast addresses are let through, without those that carry an IPv4 address in them.
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');
for (const [net, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  notPublic.addSubnet(net, bits, 'ipv6');
}

/** Whether an address is one of the public internet. What is no address is not. */
export function isPublic(address: string): boolean {
  if (isIPv4(address)) return !notPublic.check(address, 'ipv4');
  return isIP(address) === 6 && globalUnicast.check(address, 'ipv6') && !notPublic.check(address, 'ipv6');
}

/** Refuses a host that is an address and not a public one: no name is looked up for it. */
export function requirePublic(hostname: string): void {
  const address = hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) !== 0 && !isPublic(address)) throw refusal(address);
}

/**
 * Looks a name up for a connection, and refuses it when it leads to an address
 * that is not public. The connection goes to the very address that was
 * checked, so a name that changes its address in between gains nothing.
 */
export function publicLookup(resolve: typeof dns.lookup = dns.lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      const hidden = addresses.find(({ address }) => !isPublic(address));
      if (hidden) return callback(refusal(`${hostname} (${hidden.address})`), '');
      if (options.all) return callback(null, addresses);
      const [first] = addresses;
      if (first) callback(null, first.address, first.family);
      else callback(new Error(`${hostname} has no address`), '');
    });
  };
}

const refusal = (where: string) =>
  new DeliveryFailed(`${where} is not an address of the public internet. TALLYMAN_WEBHOOK_PRIVATE=allow lets webhooks go there.`, {
    isFinal: true,
  });
