export * from './streaming/detector-bank.ts';
