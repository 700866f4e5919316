import { z } from 'zod';
import { DeviceId, GatewayId, PointId, RegionId, SiteId, Slug } from '../../ids.ts';

/** What a region tells the cloud (HTTPS, bearer token): counts and states, and the roll-ups its policy lets out. No raw samples. */
export const RegionSummary = z.object({
  region: RegionId,
  atMs: z.number(),
  version: z.string().max(50),
  gateways: z
    .array(
      z.object({
        id: GatewayId,
        name: Slug,
        site: SiteId,
        online: z.boolean(),
        lastSeenMs: z.number(),
        version: z.string().max(50),
        devices: z.int().nonnegative(),
        frames: z.int().nonnegative(),
        gaps: z.int().nonnegative(),
      }),
    )
    .max(10_000),
  devices: z
    .array(
      z.object({
        id: DeviceId,
        name: z.string().max(200),
        type: z.string().max(100).optional(),
        driver: z.string().max(32),
        gateway: GatewayId,
        site: SiteId,
        online: z.boolean(),
        lastSeenMs: z.number().nullable(),
        /** Latest values, for notes; only the points the region's policy lets out. */
        points: z
          .array(
            z.object({
              point: PointId,
              v: z.union([z.number(), z.boolean(), z.string(), z.null()]),
              q: z.enum(['good', 'uncertain', 'bad']),
              unit: z.string().optional(),
              tSource: z.number(),
            }),
          )
          .max(1000),
      }),
    )
    .max(100_000),
  counts: z.object({
    frames: z.int().nonnegative(),
    samples: z.int().nonnegative(),
    gaps: z.int().nonnegative(),
    alarmsActive: z.int().nonnegative(),
    commands: z.int().nonnegative(),
  }),
  rollups: z
    .array(
      z.object({
        device: DeviceId,
        point: PointId,
        bucketMs: z.number(),
        widthMs: z.number(),
        min: z.number(),
        max: z.number(),
        mean: z.number(),
        count: z.int(),
      }),
    )
    .max(100_000),
});
export type RegionSummary = z.infer<typeof RegionSummary>;
