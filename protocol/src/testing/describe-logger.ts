import { describe, expect, it } from 'vitest';
import type { Logger } from '../logger.ts';
import type { LogLine } from './memory-logger.ts';

export interface LoggerUnderTest {
  readonly logger: Logger;
  /** What was logged so far, without what the logger adds of its own. */
  lines(): LogLine[];
}

/** The rules of the `Logger` port, for pino and its twin alike. */
export function describeLogger(name: string, create: () => LoggerUnderTest): void {
  describe(`the logger rules, kept by ${name}`, () => {
    it.each(['debug', 'info', 'warn', 'error'] as const)('%s writes a line of that level', (level) => {
      const { logger, lines } = create();
      logger[level]('it happened');
      expect(lines()).toEqual([{ level, message: 'it happened', fields: {} }]);
    });

    it('fields stand beside the message', () => {
      const { logger, lines } = create();
      logger.info({ device: 'pump-1', tries: 3 }, 'lost');
      expect(lines()).toEqual([{ level: 'info', message: 'lost', fields: { device: 'pump-1', tries: 3 } }]);
    });

    it('a child adds its bindings, on top of those it inherits', () => {
      const { logger, lines } = create();
      const child = logger.child({ name: 'gateway:uplink' }).child({ region: 'north' });
      child.warn({ tries: 1 }, 'down');
      logger.info('own');
      expect(lines()).toEqual([
        { level: 'warn', message: 'down', fields: { name: 'gateway:uplink', region: 'north', tries: 1 } },
        { level: 'info', message: 'own', fields: {} },
      ]);
    });

    it('methods are called on their logger, as those of pino must be', () => {
      const { error } = create().logger;
      expect(() => error('taken off')).toThrow(TypeError);
    });
  });
}
