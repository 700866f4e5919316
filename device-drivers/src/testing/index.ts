export * from '../mqtt/link-contract.ts';
export * from './describe-driver.ts';
export * from './recorder.ts';
export * from './tracking-clock.ts';
