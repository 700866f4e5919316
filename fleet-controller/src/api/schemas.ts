import { z } from '@hono/zod-openapi';
import { DeviceId, GatewayId, REASONS, SiteId } from '@millwright/protocol';

/** What the region's HTTP API says and hears. Times are epoch ms, UTC. */

/** As protocol's `JsonValueSchema`; made here, because only schemas made after this library was loaded can be described. */
export const AnyValue = z.union([z.number(), z.boolean(), z.string(), z.null()]);

export const EpochMs = z
  .number()
  .openapi({ description: 'Epoch milliseconds, UTC', example: 1_785_000_000_000 });

/** A time in a query: epoch ms or ISO-8601. */
const QueryTime = z
  .string()
  .max(40)
  .transform((text, context) => {
    const ms = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text);
    if (Number.isFinite(ms)) return Math.round(ms);
    context.addIssue({
      code: 'custom',
      message: `"${text}" is not a time; write epoch milliseconds or ISO-8601 such as "2026-01-31T12:00:00Z"`,
    });
    return z.NEVER;
  })
  .openapi({ type: 'string', example: '2026-01-31T12:00:00Z' });

const STEP = /^(\d+)(ms|s|m|h|d)?$/;
const STEP_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const QueryStep = z
  .string()
  .max(20)
  .transform((text, context) => {
    if (text === 'raw') return 0;
    const match = STEP.exec(text);
    if (match !== null) {
      const unit = (match[2] ?? 'ms') as keyof typeof STEP_UNITS;
      return Number(match[1]) * STEP_UNITS[unit];
    }
    context.addIssue({
      code: 'custom',
      message: `"${text}" is not a step; write "raw" or a duration such as "10s", "15m", "1h"`,
    });
    return z.NEVER;
  })
  .openapi({ type: 'string', example: '1m' });

export const Problem = z
  .object({
    type: z.string().openapi({ example: 'about:blank' }),
    title: z.string(),
    status: z.int(),
    /** The field, the value and what is wrong with it. */
    detail: z.string(),
    /** Stable and machine-readable. */
    code: z.string().openapi({ example: 'DEVICE_UNKNOWN' }),
    hint: z.string().optional(),
  })
  .openapi('Problem', { description: 'RFC 9457 problem details' });
export type Problem = z.infer<typeof Problem>;

export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(500),
  cursor: z.string().max(500).optional().openapi({ description: '`next` of the page before' }),
});

const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    next: z.string().nullable().openapi({ description: 'Cursor of the next page; null on the last one' }),
  });

export const Quality = z.enum(['good', 'uncertain', 'bad']);
export const Why = z.enum(REASONS).openapi({ description: 'Why a value is not good' });

export const Health = z
  .object({
    status: z.enum(['ok', 'degraded']),
    region: z.string(),
    version: z.string(),
    database: z.enum(['up', 'down']),
    atMs: EpochMs,
  })
  .openapi('Health');

export const GatewayView = z
  .object({
    id: GatewayId,
    name: z.string(),
    site: SiteId,
    version: z.string(),
    online: z.boolean(),
    /** When something last arrived from it; null before its first connection. */
    lastSeenMs: EpochMs.nullable(),
    enrolledAtMs: EpochMs,
    devices: z.int(),
    devicesOnline: z.int(),
    frames: z.int(),
    samples: z.int(),
    gaps: z.int(),
  })
  .openapi('Gateway');
export type GatewayView = z.infer<typeof GatewayView>;
export const GatewayPage = pageOf(GatewayView).openapi('GatewayPage');

export const DeviceView = z
  .object({
    id: DeviceId,
    name: z.string(),
    type: z.string().nullable(),
    driver: z.string(),
    gateway: GatewayId,
    site: SiteId,
    /** Reachable for its gateway, and the gateway for the region. */
    online: z.boolean(),
    /** Why it is offline; a sentence. */
    why: z.string().nullable(),
    /** Since when `online` is what it is. */
    sinceMs: EpochMs,
    /** When its newest value reached the gateway; null = never. */
    lastValueMs: EpochMs.nullable(),
    alarmsActive: z.int(),
  })
  .openapi('Device');
export type DeviceView = z.infer<typeof DeviceView>;
export const DevicePage = pageOf(DeviceView).openapi('DevicePage');

export const PointView = z
  .object({
    id: z.string().openapi({ example: 'bearing.temperature' }),
    label: z.string().nullable(),
    /** UCUM code. */
    unit: z.string().nullable(),
    kind: z.enum(['float64', 'int64', 'uint64', 'bool', 'text']),
    class: z.enum(['measurement', 'total', 'total_increasing', 'state', 'score']).nullable(),
    /** Absent: read only. */
    writable: z.object({ range: z.tuple([z.number(), z.number()]).optional() }).nullable(),
    v: AnyValue.openapi({
      description: '64-bit integers beyond ±2^53 as decimal strings; NaN and infinities by name',
    }),
    q: Quality,
    why: Why.nullable(),
    tSource: EpochMs.nullable().openapi({
      description: 'When the device says it was so; null = no value yet',
    }),
    tGateway: EpochMs.nullable().openapi({ description: 'When the gateway received it' }),
  })
  .openapi('Point');
export type PointView = z.infer<typeof PointView>;

export const AlarmView = z
  .object({
    gateway: GatewayId,
    device: DeviceId.nullable(),
    point: z.string().nullable(),
    alarm: z.string(),
    message: z.string(),
    sinceMs: EpochMs,
    state: z.string().openapi({
      description: 'ISA-18.2: unacknowledged, acknowledged, returned, shelved, suppressed, out-of-service',
      example: 'unacknowledged',
    }),
    priority: z.string().nullable().openapi({ example: 'high' }),
    note: z
      .string()
      .nullable()
      .openapi({ description: 'Who acknowledged, shelved or took it out of service, and why' }),
  })
  .openapi('Alarm');
export type AlarmView = z.infer<typeof AlarmView>;
export const AlarmPage = pageOf(AlarmView).openapi('AlarmPage');
export const AlarmQuery = PageQuery.extend({
  state: z.enum(['all']).optional().openapi({
    description: 'all: also those that are shelved, suppressed or out of service',
  }),
});

export const DeviceDetail = DeviceView.extend({
  points: z.array(PointView),
  alarms: z.array(AlarmView),
}).openapi('DeviceDetail');
export type DeviceDetail = z.infer<typeof DeviceDetail>;

export const GapView = z
  .object({
    gateway: GatewayId,
    reason: z.string(),
    fromMs: EpochMs,
    toMs: EpochMs,
    /** Samples known to be lost; null when nobody can know. */
    samples: z.int().nullable(),
    detail: z.string().nullable(),
  })
  .openapi('Gap');
export type GapView = z.infer<typeof GapView>;
export const GapPage = pageOf(GapView).openapi('GapPage');

export const TimeRangeQuery = z.object({ from: QueryTime.optional(), to: QueryTime.optional() });
export const GapQuery = PageQuery.extend(TimeRangeQuery.shape).extend({ gateway: GatewayId.optional() });

export const HistoryQuery = TimeRangeQuery.extend({
  step: QueryStep.optional().openapi({
    type: 'string',
    description:
      'Width of a bucket, or "raw" for the samples themselves; absent: chosen for about 1,000 points',
  }),
});

export const HistoryPoint = z
  .union([
    z
      .object({ t: EpochMs, v: AnyValue, q: Quality, why: Why.optional() })
      .openapi({ description: 'A sample as it was (step 0)' }),
    z
      .object({
        t: EpochMs.openapi({ description: 'Start of the bucket' }),
        min: z.number().nullable(),
        max: z.number().nullable(),
        mean: z.number().nullable(),
        last: AnyValue,
        count: z.int().openapi({ description: 'Usable numbers in the bucket' }),
        bad: z.int().openapi({ description: 'Samples of bad quality or without a value' }),
        q: Quality.openapi({ description: 'Of the newest sample of the bucket' }),
      })
      .openapi({ description: 'A bucket (step > 0); buckets without samples are left out' }),
  ])
  .openapi('HistoryPoint');
export type HistoryPoint = z.infer<typeof HistoryPoint>;

export const History = z
  .object({
    device: DeviceId,
    point: z.string(),
    unit: z.string().nullable(),
    fromMs: EpochMs,
    toMs: EpochMs,
    /** Bucket width in ms; 0 = samples. */
    step: z.int(),
    source: z.enum(['frames', 'rollup']),
    points: z.array(HistoryPoint),
    /** Points at or after this time came by the live lane and may be thinner than what frames bring later; null = none did. */
    liveFromMs: EpochMs.nullable(),
    /** Set when the bound on rows was reached: ask again with `from` = this. */
    continueFromMs: EpochMs.nullable(),
    gaps: z.array(GapView),
    /** Units in which this point was measured at other times; that history is not in `points`. */
    otherUnits: z.array(z.string().nullable()),
  })
  .openapi('History');
export type History = z.infer<typeof History>;

export const WriteBody = z
  .object({
    value: AnyValue,
    dryRun: z.boolean().default(false).openapi({
      description: 'Go through every check of the gateway and say what would be written, but move nothing',
    }),
  })
  .openapi('Write');
export const AlarmRequestBody = z
  .object({
    reason: z.string().min(1).max(500).optional().openapi({
      description: 'Needed to shelve and to take out of service',
    }),
    forMs: z.int().min(1000).max(604_800_000).optional().openapi({
      description: 'How long to shelve; an hour when absent',
    }),
  })
  .openapi('AlarmRequest');
export const ReceiptView = z
  .object({
    id: z.string(),
    result: z.enum(['done', 'refused', 'unknown']).openapi({
      description: 'unknown: it may have been carried out; it is not repeated by itself',
    }),
    code: z.string().nullable(),
    message: z.string(),
    before: AnyValue.optional(),
    readBack: AnyValue.optional(),
    dryRun: z.boolean().optional(),
    raw: z.string().optional().openapi({ description: 'What goes over the wire, where the driver can tell' }),
    atMs: EpochMs,
  })
  .openapi('Receipt');
export type ReceiptView = z.infer<typeof ReceiptView>;

export const EventView = z
  .object({
    id: z.string(),
    gateway: GatewayId,
    atMs: EpochMs,
    type: z.string().openapi({ example: 'alarm.raised' }),
    device: DeviceId.nullable(),
    point: z.string().nullable(),
    message: z.string(),
    data: z.record(z.string(), AnyValue),
  })
  .openapi('Event');
export type EventView = z.infer<typeof EventView>;
export const EventPage = pageOf(EventView).openapi('EventPage');
export const EventLogQuery = PageQuery.extend(TimeRangeQuery.shape).extend({
  device: DeviceId.optional(),
  gateway: GatewayId.optional(),
  type: z
    .string()
    .max(50)
    .optional()
    .openapi({ description: 'An event type, or a family such as "alarm"', example: 'alarm' }),
});

export const Summary = z
  .object({
    region: z.string(),
    atMs: EpochMs,
    gateways: z.object({ total: z.int(), online: z.int() }),
    devices: z.object({ total: z.int(), online: z.int() }),
    points: z.int(),
    alarmsActive: z.int(),
    /** Devices said to be online from which nothing came for longer than expected. */
    silent: z.array(z.object({ device: DeviceId, name: z.string(), lastValueMs: EpochMs.nullable() })),
    silentTotal: z.int(),
    gapsLast24h: z.int(),
    /** Stored durably, averaged over the last 10 s. */
    samplesPerS: z.number(),
    /** Seen on the live lane, averaged over the last 10 s. */
    livePerS: z.number(),
    framesStored: z.int(),
    samplesStored: z.int(),
    listeners: z.int(),
  })
  .openapi('Summary');
export type Summary = z.infer<typeof Summary>;

export const EnrolmentTokenBody = z
  .object({
    site: SiteId,
    expiresInMs: z
      .int()
      .min(60_000)
      .max(30 * 86_400_000)
      .default(3_600_000),
    uses: z.int().min(1).max(1000).default(1),
  })
  .openapi('NewEnrolmentToken');
export const EnrolmentTokenCreated = z
  .object({
    id: z.string(),
    /** Shown this once; only its hash is kept. */
    token: z.string(),
    site: SiteId,
    expiresAtMs: EpochMs,
    uses: z.int(),
  })
  .openapi('EnrolmentTokenCreated');
export const EnrolmentTokenView = z
  .object({
    id: z.string(),
    site: SiteId,
    createdAtMs: EpochMs,
    createdBy: z.string(),
    expiresAtMs: EpochMs,
    uses: z.int(),
    usesLeft: z.int(),
    usedBy: z.array(GatewayId),
  })
  .openapi('EnrolmentToken');
export const EnrolmentTokenPage = pageOf(EnrolmentTokenView).openapi('EnrolmentTokenPage');

export const SignInCode = z.object({ code: z.string().min(20).max(100) }).openapi('SignInCode');
export const SignInLink = z.object({ url: z.string(), expiresAtMs: EpochMs }).openapi('SignInLink');
export const SessionView = z
  .object({
    user: z.string(),
    role: z.enum(['viewer', 'operator', 'engineer']),
    region: z.string(),
    expiresAtMs: EpochMs.nullable(),
  })
  .openapi('Session');
