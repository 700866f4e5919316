export * from './config.ts';
export * from './shipped-types.ts';
export * from './simulator.ts';
