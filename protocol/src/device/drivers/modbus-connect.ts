import { z } from 'zod';
import { DurationMs } from '../duration.ts';
import { HostPort } from './host-port.ts';

const SERIAL_ONLY = ['framing', 'baud', 'parity', 'dataBits', 'stopBits'] as const;

/**
 * Where a Modbus device is. What a serial line needs and does not say is as MODBUS over Serial Line V1.02 §2.5 has
 * it: 19200 baud, even parity, 8 data bits (ASCII: 7), 1 stop bit (without parity: 2).
 */
export const ModbusConnect = z
  .strictObject({
    tcp: HostPort.optional(),
    /** RTU frames over a TCP socket, as serial servers speak it. */
    rtuOverTcp: HostPort.optional(),
    asciiOverTcp: HostPort.optional(),
    /** A serial port of this machine: `/dev/ttyUSB0`. */
    serial: z.string().min(1).max(256).optional(),
    framing: z.enum(['rtu', 'ascii']).optional(),
    baud: z.int().min(110).max(4_000_000).optional(),
    parity: z.enum(['none', 'even', 'odd']).optional(),
    dataBits: z.union([z.literal(7), z.literal(8)]).optional(),
    stopBits: z.union([z.literal(1), z.literal(2)]).optional(),
    unit: z.int().min(0).max(255).default(1),
    /** How long the device may take to answer. */
    timeout: DurationMs.default(1000),
    /** TCP connections to open at once; a device that allows fewer is served over those it allows. */
    connections: z.int().min(1).max(16).optional(),
    /**
     * Requests under way at once on one Modbus/TCP connection. `auto`: more than one is tried when scans do not fit
     * into their period, and given up when the device does not bear it.
     */
    pipeline: z.union([z.literal('auto'), z.int().min(1).max(16)]).optional(),
  })
  .refine(
    (c) => [c.tcp, c.rtuOverTcp, c.asciiOverTcp, c.serial].filter((way) => way !== undefined).length === 1,
    'needs exactly one of "tcp", "rtuOverTcp", "asciiOverTcp" and "serial"',
  )
  .superRefine((c, context) => {
    const tell = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (c.serial === undefined) {
      for (const key of SERIAL_ONLY) if (c[key] !== undefined) tell(key, 'is for "serial" only');
    } else if (c.connections !== undefined) {
      tell('connections', 'is for TCP only');
    }
    if (c.tcp === undefined && c.pipeline !== undefined) tell('pipeline', 'is for "tcp" only');
  });
export type ModbusConnect = z.infer<typeof ModbusConnect>;
