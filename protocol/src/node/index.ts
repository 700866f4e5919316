export * from './identity.ts';
export * from './system-clock.ts';
export { Channel, type ChannelSchemas } from './transport/channel.ts';
export type { HostConnection } from './transport/connection.ts';
export * from './transport/host.ts';
export { PINNED_GROUP } from './transport/pinned-tls.ts';
