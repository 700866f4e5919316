export { type GatewayConfig, readGatewayConfig } from './config.ts';
export { Gateway, type GatewayAddresses, type GatewayDeps, type GatewayOptions } from './gateway.ts';
export { readSite } from './site.ts';
