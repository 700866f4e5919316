import { z } from 'zod';

const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const POINT = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?$/;

/** Lower-case letters, digits and inner hyphens, at most 64: safe in URLs, topics, file names. */
export const Slug = z
  .string()
  .regex(SLUG, 'must be 1–64 lower-case letters, digits or inner hyphens, such as "pump-1"');

/** `gw_` and 16 base32 characters of the SHA-256 of the gateway's public key. */
export const GatewayId = z
  .string()
  .regex(/^gw_[a-z2-7]{16}$/, 'must be "gw_" and 16 base32 characters')
  .brand<'GatewayId'>();
export type GatewayId = z.infer<typeof GatewayId>;

export const SiteId = Slug.brand<'SiteId'>();
export type SiteId = z.infer<typeof SiteId>;

export const RegionId = Slug.brand<'RegionId'>();
export type RegionId = z.infer<typeof RegionId>;

/** A device as its site file calls it: unique within its site. */
export const DeviceSlug = Slug.brand<'DeviceSlug'>();
export type DeviceSlug = z.infer<typeof DeviceSlug>;

/**
 * A device everywhere else: `dev_<site>.<device>`. The gateway is no part of it, because a device
 * keeps its identity when another gateway takes it over.
 */
export const DeviceId = z
  .string()
  .regex(/^dev_[a-z0-9][a-z0-9-]{0,63}\.[a-z0-9][a-z0-9-]{0,63}$/, 'must be "dev_<site>.<device>"')
  .brand<'DeviceId'>();
export type DeviceId = z.infer<typeof DeviceId>;

/** A point within its device. */
export const PointId = z
  .string()
  .regex(POINT, 'must be 1–128 letters, digits, "_", or inner "." and "-"')
  .brand<'PointId'>();
export type PointId = z.infer<typeof PointId>;

/**
 * A gateway's own number for one (device, point, kind, unit): counted from 0, persisted, never reused.
 * Frames carry it instead of names.
 */
export const PointNo = z.int().min(0).max(0x7fff_ffff).brand<'PointNo'>();
export type PointNo = z.infer<typeof PointNo>;

export function deviceIdOf(site: SiteId, device: DeviceSlug): DeviceId {
  return DeviceId.parse(`dev_${site}.${device}`);
}
