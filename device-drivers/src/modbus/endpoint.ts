import { type Clock, type DeviceSpecOf, InvalidInputError } from '@millwright/protocol';
import { AsciiFraming } from './ascii-framing.ts';
import type { ModbusBus } from './bus.ts';
import { ClientBus } from './client-bus.ts';
import { MbapFraming } from './framing.ts';
import { PooledBus } from './pooled-bus.ts';
import { RtuFraming } from './rtu-framing.ts';
import { type SerialSettings, SerialWire } from './serial-wire.ts';
import { TcpWire } from './tcp-wire.ts';

type Spec = Pick<DeviceSpecOf<'modbus'>, 'connect'> & { readonly id: string };
type NetworkFraming = 'tcp' | 'rtuOverTcp' | 'asciiOverTcp';

/** Requests under way at once when a device file says `auto` and the device bears it. */
const AUTO_SLOTS = 8;
/** Above this rate the silence between frames no longer shrinks. @see MODBUS over Serial Line V1.02 §2.5.1.1 */
const FASTEST_SCALED_BAUD = 19_200;
const FAST_SILENCE_MS = 1.75;
const SILENT_CHARACTERS = 3.5;

/** What the devices of one line share. */
export type Endpoint =
  | {
      readonly kind: NetworkFraming;
      readonly host: string;
      readonly port: number;
      readonly connections: number;
      readonly pipeline: number | 'auto';
    }
  | { readonly kind: 'serial'; readonly framing: 'rtu' | 'ascii'; readonly settings: SerialSettings };

/** Devices with the same line share one connection. */
export function lineOf({ connect }: Spec): string {
  if (connect.serial !== undefined) return `serial:${connect.serial}`;
  const [kind, address] = networkOf(connect);
  const { host, port } = hostPort(address);
  return `${kind}://${host}:${port}`;
}

/** @throws InvalidInputError when the devices of one serial line disagree about its settings */
export function endpointOf(specs: readonly Spec[]): Endpoint {
  const [first] = specs;
  if (first === undefined)
    return { kind: 'tcp', host: 'localhost', port: 502, connections: 1, pipeline: 'auto' };
  if (first.connect.serial !== undefined) return serialEndpoint(specs, first);
  const [kind, address] = networkOf(first.connect);
  const wanted = specs.map(({ connect }) => connect.pipeline ?? 'auto').filter((each) => each !== 'auto');
  return {
    kind,
    ...hostPort(address),
    connections: Math.max(...specs.map(({ connect }) => connect.connections ?? 1)),
    pipeline: wanted.length === 0 ? 'auto' : Math.min(...wanted),
  };
}

/** Of one device alone. */
export function endpointOfConnect(connect: Spec['connect']): Endpoint {
  return endpointOf([{ id: 'device', connect }]);
}

/** The bus that leads to an endpoint. Opens nothing yet. */
export function createBus(endpoint: Endpoint, deps: { readonly clock: Clock }): ModbusBus {
  if (endpoint.kind === 'serial') return serialBus(endpoint, deps);
  const { kind, connections, pipeline } = endpoint;
  const slots = pipeline === 'auto' ? AUTO_SLOTS : pipeline;
  const framing = {
    tcp: () => new MbapFraming(slots),
    rtuOverTcp: () => new RtuFraming(),
    asciiOverTcp: () => new AsciiFraming(),
  }[kind];
  const one = () => new ClientBus({ ...deps, framing, wire: new TcpWire(deps, endpoint) });
  return connections === 1 ? one() : new PooledBus(Array.from({ length: connections }, one));
}

function serialBus(
  endpoint: Extract<Endpoint, { kind: 'serial' }>,
  deps: { readonly clock: Clock },
): ModbusBus {
  const { settings } = endpoint;
  const bits = 1 + settings.dataBits + (settings.parity === 'none' ? 0 : 1) + settings.stopBits;
  const characterMs = (1000 * bits) / settings.baud;
  const wire = new SerialWire(settings);
  if (endpoint.framing === 'ascii') {
    return new ClientBus({ ...deps, wire, framing: () => new AsciiFraming(), byteMs: 2 * characterMs });
  }
  const silenceMs = settings.baud > FASTEST_SCALED_BAUD ? FAST_SILENCE_MS : SILENT_CHARACTERS * characterMs;
  return new ClientBus({ ...deps, wire, framing: () => new RtuFraming(), byteMs: characterMs, silenceMs });
}

function serialEndpoint(specs: readonly Spec[], first: Spec): Endpoint {
  const wanted = serialOf(first);
  for (const spec of specs) {
    const found = serialOf(spec);
    if (JSON.stringify(found) === JSON.stringify(wanted)) continue;
    const said = ({ framing, settings: { baud, dataBits, parity, stopBits } }: typeof found) =>
      `${framing} ${baud} ${dataBits}${(parity[0] ?? 'n').toUpperCase()}${stopBits}`;
    throw new InvalidInputError(
      'LINE_DISAGREES',
      `${spec.id}: ${wanted.settings.path} is ${said(wanted)} for "${first.id}" and ${said(found)} here`,
      { hint: 'all devices on one serial port need the same framing, baud, parity, dataBits and stopBits' },
    );
  }
  return wanted;
}

function serialOf({ connect }: Spec): Extract<Endpoint, { kind: 'serial' }> {
  const framing = connect.framing ?? 'rtu';
  const parity = connect.parity ?? 'even';
  return {
    kind: 'serial',
    framing,
    settings: {
      path: connect.serial ?? '',
      baud: connect.baud ?? 19_200,
      parity,
      dataBits: connect.dataBits ?? (framing === 'ascii' ? 7 : 8),
      stopBits: connect.stopBits ?? (parity === 'none' ? 2 : 1),
    },
  };
}

function networkOf({ tcp, rtuOverTcp, asciiOverTcp }: Spec['connect']): readonly [NetworkFraming, string] {
  if (rtuOverTcp !== undefined) return ['rtuOverTcp', rtuOverTcp];
  if (asciiOverTcp !== undefined) return ['asciiOverTcp', asciiOverTcp];
  return ['tcp', tcp ?? ''];
}

function hostPort(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
