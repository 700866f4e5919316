export * from './memory-clock.ts';
export * from './memory-logger.ts';
